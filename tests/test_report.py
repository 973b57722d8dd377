"""Statistics and tables from run directories that the test writes by hand."""

import csv
import io
import subprocess
import sys
from statistics import mean, stdev

import pytest

from aeexp.report.sweep import Report, announce, refresh
from aeexp.runs.run import Run, directory

TABLE = {
    "title": "Errors",
    "rows": ["model"],
    "columns": ["bottleneck"],
    "metrics": {"probe/accuracy": {"title": "accuracy, %", "digits": 1, "factor": 100}},
    "sweep": {"model": ["vae", "pca"], "bottleneck": [2, 10]},
    "published": [{"where": {"model": "vae", "bottleneck": 10}, "metric": "probe/accuracy", "value": 0.9, "source": 1}],
    "sources": {1: "a paper"},
    "baselines": ["pca"],
    "curve": True,
}
SEEDS = {0: 0.80, 1: 0.84, 2: 0.85}


def config(root, model, dim, seed, **more):
    return {
        "runs": str(root),
        "sweep": "s",
        "seed": seed,
        "data": {"name": "digits"},
        "bottleneck": {"dim": dim},
        "optimizer": {"lr": 0.001},
        "choices": {"model": model, "data": "digits", "bottleneck": str(dim)},
        "overrides": {"model": model, "bottleneck": str(dim), "seed": str(seed), **more},
        **{key.split(".")[0]: {key.split(".")[1]: value} for key, value in more.items()},
    }


def finish(root, model, dim, seed, value, **more):
    asked = config(root, model, dim, seed, **more)
    run = Run(directory(asked))
    with run.working(asked):
        run.mark_trained({})
        run.add({"protocol": "probe", "settings": {}, "metrics": {"probe/accuracy": value}}, {})


def fail(root, model, dim, seed):
    asked = config(root, model, dim, seed)
    with pytest.raises(RuntimeError), Run(directory(asked)).working(asked):
        raise RuntimeError("no luck")


@pytest.fixture
def sweep(tmp_path):
    """vae: three seeds at 2 and 10; pca: one seed at 2, failed at 10."""
    points = [config(tmp_path, model, dim, seed) for model in ("vae", "pca") for dim in (2, 10) for seed in SEEDS]
    announce(tmp_path / "s", TABLE, points)
    for seed, value in SEEDS.items():
        finish(tmp_path, "vae", 10, seed, value)
        finish(tmp_path, "vae", 2, seed, value / 2)
    finish(tmp_path, "pca", 2, 0, 0.3)
    fail(tmp_path, "pca", 10, 0)
    return tmp_path / "s"


def shown(folder):
    ((_, table),) = Report(folder).tables()
    return table


def test_mean_deviation_and_n_over_seeds(sweep):
    values = [100 * value for value in SEEDS.values()]
    assert shown(sweep).loc["vae", "bottleneck 10"] == f"{mean(values):.1f} ± {stdev(values):.1f} (3)"


def test_the_published_value_and_the_difference_stand_beside_ours(sweep):
    table = shown(sweep)
    assert table.loc["vae", "published, bottleneck 10"] == "90.0 [1]"
    assert table.loc["vae", "difference, bottleneck 10"] == f"{100 * mean(SEEDS.values()) - 90:+.1f}"
    assert table.loc["pca", "published, bottleneck 10"] == "—"
    assert "published, bottleneck 2" not in table
    assert "[1] a paper" in Report(sweep).markdown()


def test_one_seed_has_no_deviation_a_failed_cell_says_so_a_missing_one_is_a_dash(sweep):
    table = shown(sweep)
    assert table.loc["pca", "bottleneck 2"] == "30.0 (1)"
    assert table.loc["pca", "bottleneck 10"] == "1 failed"
    assert "no luck" in Report(sweep).markdown()
    announce(sweep, TABLE, [config(sweep.parent, "deep", 2, 0)])
    assert shown(sweep).loc["deep", "bottleneck 2"] == "—"


def test_rows_come_as_the_sweep_names_them_and_columns_by_size(sweep):
    finish(sweep.parent, "vae", 3, 0, 0.1)
    table = shown(sweep)
    assert list(table.index) == ["vae", "pca"]
    assert [name for name in table if name.startswith("bottleneck")] == [f"bottleneck {dim}" for dim in (2, 3, 10)]


def test_what_else_varies_becomes_part_of_the_row(sweep):
    finish(sweep.parent, "vae", 10, 0, 0.5, **{"optimizer.lr": 0.1})
    assert {"vae 0.001", "vae 0.1"} <= set(shown(sweep).index)


def test_any_directory_of_runs_makes_a_table_without_being_announced(sweep):
    (sweep / "table.yaml").unlink()
    table = shown(sweep)
    assert table.index.name == "model"
    assert set(table) == {"bottleneck 2", "bottleneck 10"}


def test_all_forms_are_written_and_the_csv_holds_the_numbers(sweep):
    refresh(sweep, force=True)
    assert {"table.md", "table.csv", "table.tex", "table.png", "runs.csv"} <= {file.name for file in sweep.iterdir()}
    assert (sweep / "table.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO((sweep / "table.csv").read_text())))
    (row,) = [row for row in rows if (row["model"], row["bottleneck"]) == ("vae", "10")]
    assert float(row["mean"]) == pytest.approx(mean(SEEDS.values()))
    assert float(row["std"]) == pytest.approx(stdev(SEEDS.values()))
    assert row["n"] == "3"
    tidy = list(csv.DictReader(io.StringIO((sweep / "runs.csv").read_text())))
    assert len([row for row in tidy if row["metric"] == "probe/accuracy"]) == 7
    latex = (sweep / "table.tex").read_text()
    assert latex.count("\\toprule") == 1
    assert "\\%" in latex
    assert "$\\pm$" in latex


def test_a_table_is_not_rewritten_many_times_a_second(sweep):
    assert refresh(sweep)
    assert refresh(sweep) == ""
    assert refresh(sweep, force=True)


@pytest.mark.parametrize(
    ("form", "sign"), [("markdown", "| vae"), ("csv", "probe/accuracy,vae"), ("latex", "\\toprule")]
)
def test_the_program_prints_the_table_and_needs_no_torch(sweep, form, sign):
    blind = "import sys, runpy; sys.modules['torch'] = sys.modules['hydra'] = None; "
    run = f"sys.argv = ['report', {str(sweep)!r}, '--format', {form!r}]; runpy.run_module('aeexp.report')"
    code = blind + run.replace("aeexp.report'", "aeexp.report', run_name='__main__'")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sign in done.stdout


def test_a_directory_without_finished_runs_is_refused_in_a_sentence(tmp_path, program):
    done = program("aeexp.report", str(tmp_path))
    assert done.returncode == 1
    assert "holds no finished run" in done.stderr
    assert "Traceback" not in done.stderr
