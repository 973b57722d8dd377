"""hydra/launcher=vectorized: runs that are trained as one are the runs that would have been trained alone."""

import math

import pytest
import torch
from conftest import same
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aeexp.app import session
from aeexp.app.cli import train_points
from aeexp.app.sweep import points, quoted
from aeexp.app.together import groups, train_together
from aeexp.training.checkpoints import Checkpoints
from hydra_plugins.aeexp_processes import ProcessLauncher

pytestmark = pytest.mark.slow
STOPS = ["schedule.early_stopping.patience=1", "schedule.early_stopping.min_delta=1.0"]
COMMON = ["evaluation=[reconstruction]", "data.batch_size=24", "trainer.max_epochs=3"]


@pytest.fixture(autouse=True)
def always_worth_it(monkeypatch):
    monkeypatch.setattr("aeexp.app.together.refuse_slower", lambda *_: None)


def swept(folder, *words):
    """The jobs of a sweep, as Hydra hands them to a launcher, and their runs."""
    found = [*points("train", [quoted(word) for word in [*COMMON, *words, f"runs={folder}"]])]
    return [point.overrides for point in found], [point.run for point in found]


def trained(run):
    """What a run has learned and says, but for the time that it took and the file that it calls its own."""
    last = session.load(run.checkpoints / "last.ckpt")
    for callback in last["callbacks"].values():
        for name in ("seconds", "device", "stopping_reason_message"):
            callback.pop(name, None)
    numbers = {name: value for name, value in run.numbers.items() if not math.isnan(value)}
    return {
        **{name: last[name] for name in ("state_dict", "optimizer_states", "callbacks", "epoch", "global_step")},
        "best": session.load(run.checkpoints / "best.ckpt")["epoch"],
        "numbers": numbers,
        "last": run.results["training"]["last"],
    }


def curves(run):
    board = EventAccumulator(str(run.path), size_guidance={"scalars": 0, "images": 0, "histograms": 0}).Reload()
    tags = board.Tags()
    assert len(tags["images"]) and len(tags["scalars"])
    scalars = {tag: {event.step: event.value for event in board.Scalars(tag)} for tag in tags["scalars"]}
    others = {tag: [event.step for event in board.Images(tag)] for tag in tags["images"]}
    return scalars, others | {tag: [event.step for event in board.Histograms(tag)] for tag in tags["histograms"]}


def equal(run, alone):
    same(trained(run), trained(alone), rtol=1e-3, atol=1e-3)  # sums in another order, and Adam after them
    (scalars, others), (expected, other) = curves(run), curves(alone)
    same(scalars, expected, rtol=1e-4, atol=1e-4)
    assert others == other


@pytest.mark.parametrize(
    "words",
    [
        ["model=undercomplete", "seed=0,1,2"],
        ["model=vae", "schedule=beta", "seed=0,1"],
        ["model=sparse", "schedule=[cosine,early_stopping]", "trainer.max_epochs=6", "code.weight=0.001,3.0", *STOPS],
        ["model=stacked", "schedule.layerwise.epochs=1", "trainer.max_epochs=4", "seed=0,1"],
        ["model=vq_vae", "code=vq_16", "bottleneck=8", "seed=0,1"],
        ["model=denoising", "corruption.std=0.1,0.4", "labels=50", "seed=0,1"],
        ["model=topk", "seed=0,1"],
    ],
    ids=lambda words: words[0],
)
def test_a_run_that_is_trained_with_others_is_the_one_that_is_trained_alone(words, tmp_path, capfd):
    jobs, runs = swept(tmp_path / "together", *words)
    done = ProcessLauncher(jobs=1, threads=1, together=8).launch(jobs, 0)
    says = capfd.readouterr().out
    assert ("trained one after another: torch cannot" in says) == (words[0] == "model=topk")
    assert ("trained together" in says) == (words[0] != "model=topk")
    jobs, alone = swept(tmp_path / "alone", *words)
    assert train_points([jobs[0]]) + train_points([jobs[-1]])
    for i in (0, -1):
        equal(runs[i], alone[i])
        assert done[i]._return_value == runs[i].numbers
        assert runs[i].state == "completed"
    if words[0] == "model=sparse":
        assert len({run.results["training"]["epochs"] for run in runs}) > 1  # one of them stopped before another


def test_a_group_goes_on_where_a_shorter_one_ended(tmp_path):
    words = ["model=vae", "seed=0,1"]
    for folder, epochs in (("together", (3, 5)), ("alone", (5,))):
        for n in epochs:
            jobs, runs = swept(tmp_path / folder, *words, f"trainer.max_epochs={n}")
            ProcessLauncher(jobs=1, threads=1, together=8 if folder == "together" else 1).launch(jobs, 0)
    equal(runs[1], swept(tmp_path / "together", *words, "trainer.max_epochs=5")[1][1])


class Killed(BaseException):
    """What no part of a training catches."""


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_group_that_was_killed_goes_on_with_every_run_where_it_was(after, tmp_path, monkeypatch, capfd):
    words = ["model=vae", "seed=0,1,2"]
    jobs, runs = swept(tmp_path / "together", *words)
    launcher, keep, left = ProcessLauncher(jobs=1, threads=1, together=8), Checkpoints.keep, iter(range(after))

    def killed(*arguments):
        keep(*arguments)
        if next(left, None) is None:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Checkpoints, "keep", killed)
        launcher.launch(jobs, 0)
    epochs = [session.load(run.checkpoints / "last.ckpt")["epoch"] if run.checkpoints.exists() else -1 for run in runs]
    assert sum(epochs) + 3 == after + 1 and {run.state for run in runs} == {"running"}
    launcher.launch(jobs, 0)
    assert "goes on from epoch" in capfd.readouterr().out
    jobs, alone = swept(tmp_path / "alone", *words)
    for job, run, other in zip(jobs, runs, alone, strict=True):
        train_points([job])
        equal(run, other)


def test_a_run_that_becomes_infinite_ends_alone_and_the_others_are_as_without_it(tmp_path):
    words = ["model=contractive", "seed=0"]
    jobs, runs = swept(tmp_path / "together", *words, "model.weight=0.1,1e38,0.5")
    done = ProcessLauncher(jobs=1, threads=1, together=8).launch(jobs, 0)
    assert [run.state for run in runs] == ["completed", "failed", "completed"]
    assert "became inf in epoch 1" in runs[1].status["error"]
    assert done[0]._return_value and not done[1]._return_value
    jobs, (alone,) = swept(tmp_path / "alone", *words, "model.weight=0.5")
    train_points(jobs)
    equal(runs[2], alone)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["schedule=plateau"], "schedule.learning_rate keeps a state of each run"),
        (["schedule=ema"], "schedule.ema keeps a state of each run"),
        (["trainer.gradient_clip_val=1.0"], "trainer.gradient_clip_val"),
        (["data.binarize=dynamic"], "data.binarize=dynamic"),
        (["model=vae", "schedule=beta", "code.beta=0.5,2.0"], None),
        (["data.root=/nowhere", "data=mnist"], "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_of_one_run_alone_is_said(words, reason, tmp_path, capfd):
    jobs, runs = swept(tmp_path, *words, "seed=0,1", "trainer.max_epochs=1")
    train_together(jobs)
    says = capfd.readouterr().out
    if reason:
        assert "2 runs are trained one after another" in says and reason in says
        assert not any((run.checkpoints / "last.ckpt").exists() for run in runs)
    else:  # what a schedule moves may differ between groups, and not in one
        assert says.count("2 runs are trained together") == 2


def test_groups_have_one_shape_and_are_no_larger_than_asked_for(tmp_path):
    jobs, _ = swept(tmp_path, "model=vae,undercomplete", "bottleneck=2,4", "seed=0,1,2", "labels=10,20")
    found = groups(jobs, 4)
    assert sorted(place for group in found for place in group) == [*range(24)]
    assert {len(group) for group in found} == {4, 2}
    for group in found:
        assert len({tuple(word for word in jobs[i] if word[:4] in ("mode", "bott")) for i in group}) == 1
    assert {len(group) for group in ProcessLauncher(jobs=12, threads=1, together=16)._groups(jobs, 12)} == {2}
    jobs, _ = swept(tmp_path, "optimizer.lr=0.1,0.2", "code.weight=0.1,0.2", "model=sparse", "seed=0")
    assert [len(group) for group in groups(jobs, 4)] == [2, 2]


def test_a_gpu_gets_the_stacked_weights_and_each_model_its_own(tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    jobs, runs = swept(tmp_path, "model=vae", "seed=0,1")
    ProcessLauncher(jobs=1, threads=1, together=8).launch(jobs, 0)
    assert all("2 runs together" in run.results["training"]["device"] for run in runs)


def test_a_run_that_another_process_has_is_left_out_of_the_group(tmp_path, capfd):
    jobs, runs = swept(tmp_path, "model=vae", "seed=0,1,2")
    (first,) = points("train", jobs[0])
    with first.run.begun(first.config):
        train_together(jobs)
    assert "2 runs are trained together" in capfd.readouterr().out
    assert [(run.checkpoints / "last.ckpt").exists() for run in runs] == [False, True, True]


def test_work_that_fails_as_a_whole_costs_its_group_alone(monkeypatch):
    monkeypatch.setattr("aeexp.app.cli.train_points", lambda group: [{"x": 1.0 / (group != [["seed=1"]])}])
    first, second = ProcessLauncher(jobs=1, threads=1).launch([["seed=1"], ["seed=2"]], 0)
    assert isinstance(first._return_value, ZeroDivisionError) and second._return_value == {"x": 1.0}
