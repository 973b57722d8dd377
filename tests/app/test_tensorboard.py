"""What `tensorboard --logdir runs` shows, and that a run that was killed shows what one left alone does."""

import shutil
import time
from collections import Counter

import pytest
import pytorch_lightning as pl
import torch
from browser import CHROMIUM, chromium, picture, tensorboard, text_of, until
from conftest import ROOT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import SummaryWriter

from aeexp.app import session
from aeexp.app.components import make_data, make_model, make_task
from aeexp.app.sweep import points, quoted
from aeexp.app.tensorboard import group
from aeexp.runs import events
from aeexp.runs.identity import directory
from aeexp.runs.run import Run
from aeexp.training import projector
from aeexp.training.checkpoints import Checkpoints
from aeexp.training.task import Task

pytestmark = pytest.mark.slow

MODELS = sorted(file.stem for file in (ROOT / "configs" / "model").glob("*.yaml"))
EPOCHS = 3


def asked(*words):
    """The configurations of a command line."""
    return [point.config for point in points("train", [quoted(word) for word in words])]


def done(config):
    run = Run(directory(config))
    with run.working(config):
        session.train(run, config)
    return run


def shown(run):
    """Everything that TensorBoard reads of a run: (step, value) of every scalar, (step, image) of every image."""
    board = EventAccumulator(str(run.path), size_guidance={"scalars": 0, "images": 0}).Reload()
    scalars = {tag: [(e.step, e.value) for e in board.Scalars(tag)] for tag in board.Tags()["scalars"]}
    images = {tag: [(e.step, e.encoded_image_string) for e in board.Images(tag)] for tag in board.Tags()["images"]}
    return scalars | images


def points_in_files(run):
    files = sorted(run.path.glob("*tfevents*"))
    all_events = [event for file in files for event in EventFileLoader(str(file)).Load()]
    return Counter((value.tag, event.step) for event in all_events for value in event.summary.value)


class Instants:
    """Copies of a run's directory as a kill at that instant would leave it: what was not flushed is not in them."""

    def __init__(self, patch, folder):
        self.patch, self.folder, self.count = patch, folder, Counter()

    def before_and_after(self, owner, name):
        inner = getattr(owner, name)

        def outer(*arguments, **options):
            self.keep(f"before_{name}")
            result = inner(*arguments, **options)
            self.keep(f"after_{name}")
            return result

        self.patch.setattr(owner, name, outer)

    def keep(self, instant):
        self.count[instant] += 1
        shutil.copytree(self.alone, self.folder / f"{instant}_{self.count[instant]}" / "single" / self.alone.name)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run that was left alone, its configuration, and the folder of its copies at many instants."""
    folder = tmp_path_factory.mktemp("killed")
    probe = ["evaluation.linear_probe.labels=[0.5]", "evaluation.linear_probe.draws=2"]
    words = ["model=vae", f"trainer.max_epochs={EPOCHS}", "evaluation=[reconstruction,linear_probe]", *probe]
    (config,) = asked(*words, f"runs={folder / 'alone'}")
    with pytest.MonkeyPatch.context() as patch:
        write = RecordWriter.write  # is done by a thread of its own: a disk that is slow
        patch.setattr(RecordWriter, "write", lambda *record: time.sleep(0.03) or write(*record))
        instants = Instants(patch, folder)
        instants.alone = directory(config)
        instants.before_and_after(pl.Trainer, "save_checkpoint")
        instants.before_and_after(Checkpoints, "on_train_epoch_end")
        instants.before_and_after(Task, "on_train_epoch_start")
        instants.before_and_after(Run, "add")
        instants.before_and_after(events, "write")  # beside, and not yet in its place
        alone = done(config)
    return alone, config, folder


def resumed(killed, instant):
    _, config, folder = killed
    return done({**config, "runs": str(folder / instant)})


# what of an epoch is done by then: nothing; validated; both checkpoints; Lightning's own logging; and the protocols
INSTANTS = [
    "after_on_train_epoch_start_1",
    "before_save_checkpoint_1",
    "after_save_checkpoint_3",
    "before_on_train_epoch_end_2",
    "after_on_train_epoch_end_2",
    "after_on_train_epoch_end_3",
    "before_on_train_epoch_start_3",
    "before_add_1",
    "after_add_1",
    "after_write_2",
    "before_add_2",
    "after_add_2",
]


@pytest.mark.parametrize("instant", INSTANTS)
def test_a_run_that_was_killed_and_goes_on_shows_what_one_left_alone_does(killed, instant):
    alone = killed[0]
    run = resumed(killed, instant)
    assert max(points_in_files(run).values()) == 1
    assert shown(run) == shown(alone)
    assert (
        len(shown(run)["train/recon"]) == len(shown(run)["val/recon"]) == len(shown(run)["reconstructions"]) == EPOCHS
    )


def test_a_record_cut_short_at_the_end_of_a_file_is_not_in_the_way(killed, tmp_path):
    alone, config, folder = killed
    instant = folder / "before_on_train_epoch_end_3"
    for cut in (1, 9, 13, 200):
        place = tmp_path / str(cut)
        shutil.copytree(instant, place)
        (file,) = place.rglob(events.GROWING)
        with file.open("ab") as end:
            end.write(file.read_bytes()[:cut])
        assert shown(done({**config, "runs": str(place)})) == shown(alone)


def test_what_came_at_a_step_or_later_is_cut_at_any_length_of_the_file(tmp_path):
    with SummaryWriter(tmp_path / "whole") as writer:
        for step in range(6):
            writer.add_scalar("a", step, step)
    (whole,) = (tmp_path / "whole").iterdir()
    content = whole.read_bytes()
    for length in range(len(content) + 1):
        file = tmp_path / "cut" / whole.name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content[:length])
        there = [step for _, step in sorted(points_in_files(Run(file.parent)))]
        events.truncate(file.parent, 3)
        left = [step for _, step in sorted(points_in_files(Run(file.parent)))]
        assert left == [step for step in there if step < 3]
        assert not left or file.stat().st_size < len(content)
        events.truncate(file.parent, 0)
        assert not list(file.parent.glob("*tfevents*"))


def test_tensorboards_server_sees_no_step_twice_either(killed):
    alone, _, folder = killed
    for instant in ("before_save_checkpoint_3", "before_add_2"):
        resumed(killed, instant)
    with tensorboard(folder) as server:
        question = "data/plugin/scalars/scalars?tag=train%2Frecon&run={}%2Fsingle%2F" + alone.path.name
        until(lambda: len(server(question.format("before_add_2"))) == EPOCHS)

        def curve(instant):
            return [(step, value) for _, step, value in server(question.format(instant))]

        assert curve("before_save_checkpoint_3") == curve("before_add_2") == curve("alone")
        assert len(curve("alone")) == EPOCHS


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_every_kind_is_shown_under_the_same_names(model, tmp_path):
    words = [
        f"model={model}",
        "trainer.max_epochs=1",
        "bottleneck=8",
        "evaluation=[reconstruction]",
        "schedule=default",
    ]
    (config,) = asked(*words, f"runs={tmp_path}")
    names = set(shown(done(config)))
    assert {
        "val/loss",
        "val/recon",
        "val/squared_error",
        "reconstruction/nats",
        "reconstruction/squared_error",
    } <= names
    assert "reconstruction/reconstructions" in names


def test_the_kinds_are_found():
    assert len(MODELS) >= 12


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of two models, two widths and two seeds."""
    folder = tmp_path_factory.mktemp("table")
    quick = ["table=code_size", "data=digits", "trainer.max_epochs=1", f"runs={folder}"]
    sweep = asked(*quick, "model=pca,vae", "bottleneck=2,10", "seed=0,1")
    return folder, sweep, [done(config) for config in sweep]


METRICS = {"reconstruction/squared_error", "linear_probe/accuracy_0.01"}


def session_groups(server):
    """The lines of the HParams page."""
    question = {"startIndex": 0, "sliceSize": 100, "colParams": [], "aggregationType": "AGGREGATION_AVG"}
    answer = server("data/plugin/hparams/session_groups", {**question, "allowedStatuses": ["STATUS_SUCCESS"]})
    return answer.get("sessionGroups", [])


def loaded(server):
    """How many numbers of how many runs the page knows so far."""
    return sum(len(run["metricValues"]) for line in session_groups(server) for run in line["sessions"])


def test_the_seeds_of_a_configuration_are_one_line_with_their_mean(table):
    folder, sweep, runs = table
    with tensorboard(folder) as server:
        until(lambda: loaded(server) == len(runs) * len(METRICS))
        page = server("data/plugin/hparams/experiment", {})
        lines = session_groups(server)
    assert {info["name"] for info in page["hparamInfos"]} == {"model", "data", "bottleneck", "trainer.max_epochs"}
    assert {info["name"]["tag"] for info in page["metricInfos"]} == METRICS
    assert len(lines) == 4
    for line in lines:
        mine = [run for config, run in zip(sweep, runs, strict=True) if group(config) == line["name"]]
        assert [entry["name"] for entry in line["sessions"]] == [f"code_size/{run.path.name}" for run in mine]
        assert len(mine) == 2
        for value in line["metricValues"]:
            name = value["name"]["tag"]
            assert value["value"] == pytest.approx(sum(run.metrics[name] for run in mine) / 2, rel=1e-5)
        assert {value["name"]["tag"] for value in line["metricValues"]} == METRICS
        assert line["hparams"]["bottleneck"] in (2, 10)


def test_only_seeds_are_averaged(table):
    _, sweep, _ = table
    (frozen,) = asked("evaluation=[fine_tune]", "evaluation.fine_tune.frozen=true")
    (free,) = asked("evaluation=[fine_tune]")
    assert len({group(config) for config in [*sweep, frozen, free]}) == 4 + 2
    assert len({group({**config, "runs": "elsewhere", "threads": 1}) for config in sweep}) == 4


@pytest.mark.parametrize("number", [0, -1])  # two numbers a code, and ten
def test_the_codes_of_test_images_stand_in_the_projector_with_thumbnails_and_labels(table, number):
    folder, _, runs = table
    run = runs[number]
    name = f"?run=code_size%2F{run.path.name}&name=code%3A00000"
    with tensorboard(folder) as server:
        (info,) = server(f"data/plugin/projector/info{name}")["embeddings"]
        labels = server(f"data/plugin/projector/metadata{name}&num_rows=1000").decode().split()
        numbers = server(f"data/plugin/projector/tensor{name}&num_rows=1000")
        sprite = server(f"data/plugin/projector/sprite_image{name}")
    assert info["sprite"]["singleImageDim"] == [8, 8]
    assert sprite.startswith(b"\x89PNG")
    data = make_data(run.config)
    data.setup()
    task = make_task(run.config, make_model(run.config, data.shape))
    session.restore(run.checkpoints / "best.ckpt", task)
    n = min(projector.EXAMPLES, len(data.test))
    with torch.no_grad():
        codes = task.model.eval().encode(data.test[torch.arange(n)].x).mean
    points_shown = torch.frombuffer(bytearray(numbers), dtype=torch.float32).reshape(n, -1)
    assert torch.equal(points_shown[:, : codes.shape[1]], codes)
    assert points_shown.shape[1] == max(3, codes.shape[1])
    assert [int(label) for label in labels] == data.test.y[:n].tolist()


def test_a_code_that_is_not_projected_has_its_reason_in_the_place(tmp_path, monkeypatch):
    monkeypatch.setattr(projector, "WIDEST", 3)
    (config,) = asked("model=pca", "bottleneck=4", "evaluation=[reconstruction]", f"runs={tmp_path}")
    run = done(config)
    assert not list(run.path.glob("projector*"))
    board = EventAccumulator(str(run.path)).Reload()
    (text,) = board.Tensors("projector")
    assert b"4 numbers is wider than the 3" in text.tensor_proto.string_val[0]


def test_why_codes_are_not_projected():
    codes, images = torch.zeros(4, 10), torch.zeros(4, 1, 8, 8)
    assert projector.impossible(codes, images) is None
    assert projector.impossible(codes, images.expand(4, 3, 8, 8)) is None
    assert "784 numbers" in projector.impossible(torch.zeros(4, 784), images)
    assert "(2, 8, 8)" in projector.impossible(codes, images.expand(4, 2, 8, 8))
    assert "(64,)" in projector.impossible(codes, images.flatten(1))
    assert "5000x5000" in projector.impossible(codes, torch.zeros(1, 1, 1, 1).expand(4, 1, 5000, 5000))


def test_what_is_measured_later_replaces_what_was_shown(table, tmp_path):
    run = Run(tmp_path / table[0].name / "code_size" / table[2][0].path.name)
    shutil.copytree(table[2][0].path, run.path)
    before = shown(run)
    (other,) = asked("model=pca", "evaluation=[linear_probe]", "evaluation.linear_probe.labels=[0.5]")
    session.evaluate(run, {**run.config, "evaluation": other["evaluation"]}, threads=1)
    assert max(points_in_files(run).values()) == 1
    assert {**shown(run), **before} == {**before, **{tag: shown(run)[tag] for tag in set(shown(run)) - set(before)}}
    assert "linear_probe/accuracy_0.5" in set(shown(run)) - set(before)
    assert not list(tmp_path.rglob("*.hparams"))  # nothing is put where this run is not at home


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_shows_the_page_of_the_table_and_the_curves(table, tmp_path):
    folder, _, runs = table
    mean = sum(run.metrics["reconstruction/squared_error"] for run in runs[:2]) / 2
    with tensorboard(folder) as server, chromium(tmp_path) as page:
        until(lambda: loaded(server) == len(runs) * len(METRICS))
        text = text_of(page, f"{server.url}/#hparams", group(table[1][0]), f"{mean:.4f}"[:5])
        assert "hp_metric" not in text
        assert [name for name in [*METRICS, *map(group, table[1]), f"{mean:.4f}"[:5]] if name not in text] == []
        assert len(picture(page)) > 20_000
        names = ["/recon", "/squared_error", *(run.path.name for run in runs)]  # baselines stand beside the others
        text = text_of(page, f"{server.url}/?tagFilter=val%2F%28recon%7Csquared_error%29#timeseries", *names)
        assert [name for name in names if name not in text] == []
