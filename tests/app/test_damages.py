"""Over every file that a run has, each damage: the report goes on, measuring says a sentence, and training mends it."""

import random
import shutil
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from composing import composed

import aeexp
from aeexp.app import cli
from aeexp.errors import UserError
from aeexp.report.listing import main as listed
from aeexp.report.report import Report
from aeexp.report.sweep import form, refresh
from aeexp.runs.records import RECORDS
from aeexp.runs.run import Run, find
from aeexp.training.checkpoints import unpacked

pytestmark = pytest.mark.slow


def flipped(file):
    content, generator = bytearray(file.read_bytes()), random.Random(0)
    for position in generator.sample(range(len(content)), (len(content) + 99) // 100):
        content[position] ^= 1 << generator.randrange(8)
    file.write_bytes(content)


DAMAGES = {
    "half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "empty": lambda file: file.write_bytes(b""),
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "flipped": flipped,
    "missing": Path.unlink,
    "folder": lambda file: (file.unlink(), file.mkdir()),
}
WORDS = ["data=digits", "model=vae", "bottleneck=2", "trainer.max_epochs=2"]
MORE = "evaluation=[reconstruction,knn]"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A sweep of two runs, with what a report leaves beside them."""
    folder = tmp_path_factory.mktemp("made")
    for seed in (0, 1):
        cli.train_one(composed(*WORDS, "evaluation=[reconstruction]", f"seed={seed}", f"runs={folder}", "sweep=s"))
    refresh(folder / "s", force=True)
    return folder


@pytest.fixture
def each_file(made, tmp_path):
    """damage -> of every file of the first run: its name and the damaged copy of that run, one after another."""

    def damaged(damage):
        first = find(made)[0].path
        for file in sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file()):
            folder = shutil.copytree(made, tmp_path / "copy")
            run = folder / first.relative_to(made)
            DAMAGES[damage](run / file)
            yield str(file), run
            shutil.rmtree(folder)

    return damaged


@pytest.mark.parametrize("damage", DAMAGES)
def test_reports_have_the_rest_and_name_what_is_damaged(each_file, damage, capsys, monkeypatch):
    names = []
    for name, run in each_file(damage):
        names.append(name)
        shown = Report(run.parent).form("markdown")
        broken = name in RECORDS and not (damage == "missing" and name != "config.yaml")
        assert (f"damaged: {run / name}" in shown) == broken, name
        assert "| vae" in shown
        assert form(Report(run.parent), "html", run.parent).startswith("<!doctype html>")
        monkeypatch.setattr("sys.argv", ["aeexp runs", "ls", str(run.parents[1])])
        listed()
        assert len([line for line in capsys.readouterr().out.splitlines() if "seed" in line or "-s1-" in line]), name
    assert {*RECORDS, "checkpoints/best.ckpt", "checkpoints/last.ckpt", "figures/reconstructions.png"} <= {*names}


@pytest.mark.parametrize("damage", DAMAGES)
def test_measuring_works_or_names_the_file(each_file, damage):
    for name, run in each_file(damage):
        try:
            cli.evaluate(cli.composed("evaluate", [f"run={run}", "evaluation=[knn]"]))
        except UserError as error:
            assert str(run / name) in str(error) or (damage == "missing" and "no trained run" in str(error)), name
        else:
            assert "knn/accuracy_100" in Run(run).metrics, name


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_same_command_makes_again_what_is_damaged(made, each_file, damage):
    expected = None
    for name, run in each_file(damage):
        seed = next(other for other in find(made) if other.path.name == run.name).config["seed"]
        config = composed(*WORDS, MORE, f"seed={seed}", f"runs={run.parents[1]}", "sweep=s")
        try:
            cli.train_one(config)
        except IsADirectoryError as error:
            assert error.filename == str(run / name)
            continue
        if damage == "folder" and Run(run).state == "failed":
            assert Run(run).status["error"] == f"Is a directory: {run / name}"
            continue
        expected = expected or Run(run).metrics
        assert Run(run).metrics == expected, name
        assert Run(run).state == "completed", name


def test_one_changed_bit_of_a_weight_is_seen(made, tmp_path):
    run = Run(shutil.copytree(find(made)[0].path, tmp_path / "run"))
    weight = unpacked(run.checkpoints / "best.ckpt")["state_dict"]["model.encoder.1.weight"]
    content = bytearray((run.checkpoints / "best.ckpt").read_bytes())
    content[content.index(weight.numpy().tobytes())] ^= 1
    (run.checkpoints / "best.ckpt").write_bytes(content)
    with pytest.raises(UserError, match=r"best\.ckpt cannot be read \(the checksum of .* is another\)"):
        aeexp.load(run.path)


def test_a_checkpoint_that_would_expand_is_not_read(made, tmp_path):
    run = Run(shutil.copytree(find(made)[0].path, tmp_path / "run"))
    with ZipFile(run.checkpoints / "best.ckpt", "w", ZIP_DEFLATED) as parts:
        parts.writestr("archive/data/0", bytes(2**24))
    with pytest.raises(UserError, match=r"best\.ckpt cannot be read \(it is compressed\)"):
        aeexp.load(run.path)
