"""A run that somebody else sent writes nothing outside of the place where it lies."""

import json
import shutil

import pytest
import yaml

from aeexp.app import cli
from aeexp.app.sentences import one_sentence
from aeexp.errors import UserError
from aeexp.runs.run import find

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sent(program, tmp_path_factory):
    """A run, as its author made it."""
    folder = tmp_path_factory.mktemp("author")
    words = ["model=pca", "bottleneck=2", "evaluation=[reconstruction]", f"runs={folder}/runs"]
    assert program("train.py", *words).returncode == 0
    (run,) = find(folder)
    return run.path


@pytest.fixture
def received(sent, tmp_path):
    """A copy at another place, which may be changed, and a folder into which nothing may be written."""
    (tmp_path / "elsewhere").mkdir()
    return shutil.copytree(sent, tmp_path / "mine" / "runs" / "sent" / sent.name), tmp_path / "elsewhere"


def configured(run, change):
    file = run / "config.yaml"
    config = yaml.safe_load(file.read_text())
    change(config)
    file.write_text(yaml.safe_dump(config))


def elsewhere(folder):
    def change(config):
        config |= {"runs": str(folder), "sweep": "x"}

    return change


def climbing(folder):
    """To where the run lies, by a way that begins elsewhere."""

    def change(config):
        config |= {"runs": str(folder), "sweep": "../mine/runs/sent"}

    return change


@pytest.mark.parametrize("way", [elsewhere, climbing])
def test_where_it_lies_decides_and_not_what_its_configuration_says(program, received, way):
    run, folder = received
    configured(run, way(folder))
    done = program("evaluate.py", f"run={run}", "evaluation=[generation,reconstruction]")
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    assert {path.name for path in run.parents[1].iterdir()} <= {
        "sent",
        "judges",
        ".lock",
        "events.out.tfevents.hparams",
    }


@pytest.mark.parametrize("name", ["figures", "checkpoints"])
def test_a_folder_that_is_a_link_out_of_the_run_is_refused(program, received, name):
    run, folder = received
    shutil.rmtree(run / name, ignore_errors=True)
    (run / name).symlink_to(folder)
    done = program("evaluate.py", f"run={run}", "evaluation=[extremes]")
    assert done.returncode != 0
    assert f"{run / name} is a link to {folder}, out of {run}" in done.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["results.json", ".lock", "events.out.tfevents.measured", "figures/extremes.png"])
def test_a_file_that_is_a_link_is_replaced_and_what_it_leads_to_stays(program, received, name):
    run, folder = received
    kept = folder / "kept"
    kept.write_bytes((run / name).read_bytes() if (run / name).exists() else b"kept")
    before = kept.read_bytes()
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(kept)
    program("evaluate.py", f"run={run}", "evaluation=[extremes]")
    assert kept.read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("group", "key", "value", "reason"),
    [
        ("bottleneck", "dim", 10**9, r"training the model takes at least .* GB"),
        ("bottleneck", "dim", 10**18, "larger than any memory"),
        ("network", "widths", [10**6, 10**6], r"training the model takes at least .* GB"),
        ("network", "widths", [64] * 99, r"best\.ckpt is of another model than its config\.yaml"),
        ("data", "shape", [10**5, 10**5], r"data\.shape=\[100000, 100000\], but the examples"),
    ],
)
def test_a_model_that_has_no_place_is_refused(received, group, key, value, reason):
    run, _ = received

    def change(config):
        config["model"] = {"_target_": "aeexp.models.regularized.Regularized"}
        config[group][key] = value

    configured(run, change)
    with pytest.raises(UserError, match=reason):
        cli.evaluate(cli.composed("evaluate", [f"run={run}", "evaluation=[knn]"]))


def test_no_name_and_no_sentence_steers_the_terminal(received, capsys):
    run, _ = received
    results = json.loads((run / "results.json").read_text())
    results["protocols"][0]["metrics"]["reconstruction/\x1b[2J\u202e"] = 1.0
    (run / "results.json").write_text(json.dumps(results))
    cli.evaluate(cli.composed("evaluate", [f"run={run}", "evaluation=[knn]"]))
    shown = capsys.readouterr().out
    assert "reconstruction/�[2J�" in shown and "\x1b" not in shown
    configured(run, lambda config: config["model"].update(_target_="aeexp.\x1b[2J.Model"))
    with pytest.raises(SystemExit) as error, one_sentence():
        cli.evaluate(cli.composed("evaluate", [f"run={run}", "evaluation=[extremes]"]))
    assert "[2J" in str(error.value) and "\x1b" not in str(error.value)
