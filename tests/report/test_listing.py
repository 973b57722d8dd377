"""aeexp runs: what is there, which is best, what differs, and what is deleted."""

import io
import sys

import pytest
from stored_runs import SEEDS, a_sweep, config, finish

from aeexp.report.listing import main
from aeexp.runs.identity import directory


@pytest.fixture
def runs(monkeypatch, capsys):
    """What `aeexp runs <words>` prints, or the one sentence in which it is refused."""

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["aeexp runs", *map(str, words)])
        try:
            main()
        except SystemExit as stop:
            assert "\n" not in str(stop.code)
            return str(stop.code)
        return capsys.readouterr().out

    return command


def rows(text):
    head, _, *lines = text.splitlines()
    return [dict(zip(head.split(), line.split(), strict=True)) for line in lines]


def test_every_run_is_listed_with_what_varies_its_state_and_its_metrics(runs, tmp_path):
    found = rows(runs("ls", a_sweep(tmp_path), "--metrics", "probe/accuracy"))
    assert len(found) == 8
    assert {row["model"] for row in found} == {"vae", "pca"} and "data" not in found[0]
    (failed,) = (row for row in found if row["state"] == "failed")
    assert failed["model"] == "pca" and failed["bottleneck"] == "10" and failed["probe/accuracy"] == "—"
    best = [row["probe/accuracy"] for row in found if row["model"] == "vae" and row["bottleneck"] == "10"]
    assert sorted(best) == [f"{value:.4g}" for value in sorted(SEEDS.values())]


def test_runs_are_filtered_and_sorted_the_best_first(runs, tmp_path):
    folder = a_sweep(tmp_path)
    found = rows(runs("ls", folder, "--where", "model=vae", "--sort", "probe/accuracy"))
    values = [*SEEDS.values(), *(value / 2 for value in SEEDS.values())]
    assert [float(row["probe/accuracy"]) for row in found] == sorted(values, reverse=True)
    by_key = rows(runs("ls", folder, "--where", "model=vae", "--where", "bottleneck=10", "--sort", "seed"))
    assert [row["seed"] for row in by_key] == ["0", "1", "2"]
    everything = rows(runs("ls", folder, "--sort", "probe/accuracy"))
    assert everything[-1]["state"] == "failed"  # which has none


def test_the_best_run_is_a_path_alone(runs, tmp_path):
    folder = a_sweep(tmp_path)
    assert runs("best", folder, "probe/accuracy").strip() == str(directory(config(tmp_path, "vae", 10, 2)))
    assert runs("best", folder, "probe/accuracy", "--better", "lower").strip() == str(
        directory(config(tmp_path, "pca", 2, 0))
    )
    finish(tmp_path, "vae", 3, 0, {"probe/size": 3.0})
    assert "--better" in runs("best", folder, "probe/size")
    assert "there are probe/accuracy" in runs("best", folder, "probe/loss")


def test_what_differs_between_two_runs_is_a_table_of_settings_and_metrics(runs, tmp_path):
    a_sweep(tmp_path)
    one, other = (directory(config(tmp_path, model, 2, 0)) for model in ("vae", "pca"))
    lines = {line.split()[0]: line.split()[1:] for line in runs("diff", one, other).splitlines()[2:]}
    assert lines == {"probe/accuracy": ["0.4", "0.3"]}
    wide = directory(config(tmp_path, "vae", 10, 0))
    lines = {line.split()[0]: line.split()[1:] for line in runs("diff", one, wide).splitlines()[2:]}
    assert lines == {"bottleneck.dim": ["2", "10"], "probe/accuracy": ["0.4", "0.8"]}
    assert runs("diff", one, one) == "no setting and no metric differs\n"
    assert "is no run's directory" in runs("diff", one, tmp_path / "s")


@pytest.mark.parametrize(("answer", "left"), [("y", 2), ("n", 8), ("", 8)])
def test_runs_are_deleted_after_a_question(runs, tmp_path, monkeypatch, answer, left):
    folder = a_sweep(tmp_path)
    monkeypatch.setattr("builtins.input", lambda question: answer if "these 6 runs" in question else "")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    said = runs("rm", folder, "--where", "model=vae")
    assert ("6 runs are deleted" in said) == (answer == "y")
    assert len(list(folder.glob("*/config.yaml"))) == left


def test_without_anybody_to_ask_only_yes_deletes(runs, tmp_path, monkeypatch):
    folder = a_sweep(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert "choose --yes" in runs("rm", folder, "--where", "model=pca")
    assert len(list(folder.glob("*/config.yaml"))) == 8
    assert "2 runs are deleted" in runs("rm", folder, "--where", "model=pca", "--yes")
    assert {path.parent.name.split("-")[0] for path in folder.glob("*/config.yaml")} == {"vae"}
    assert (folder / "table.yaml").exists()


def test_wrong_questions_are_one_sentence(runs, tmp_path):
    folder = a_sweep(tmp_path)
    assert "is no folder" in runs("ls", tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "holds no run" in runs("ls", tmp_path / "empty")
    assert "there is vae, pca" in runs("ls", folder, "--where", "model=deep") or "pca, vae" in runs(
        "ls", folder, "--where", "model=deep"
    )
    assert "probe/accuracy" in runs("ls", folder, "--sort", "accuracy")
