"""Statistics and tables from run directories that the test writes by hand."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import time
from statistics import mean, stdev

import pytest
import yaml
from conftest import ROOT
from stored_runs import SEEDS, TABLE, a_sweep, bold, config, finish, shown

from aeexp.errors import UserError
from aeexp.files import read_yaml
from aeexp.report import sweep as sweep_files
from aeexp.report.report import Report
from aeexp.report.spec import Spec
from aeexp.report.sweep import announce, refresh
from aeexp.runs.identity import directory
from aeexp.runs.run import Run


@pytest.fixture
def sweep(tmp_path):
    return a_sweep(tmp_path)


def test_mean_deviation_and_n_over_seeds(sweep):
    values = [100 * value for value in SEEDS.values()]
    assert shown(sweep)["vae"]["bottleneck 10"] == f"{mean(values):.1f} ± {stdev(values):.1f} (3)"


def test_one_seed_is_marked_a_failed_cell_says_so_a_missing_one_is_a_dash(sweep):
    table = shown(sweep)
    assert table["pca"]["bottleneck 2"] == "30.0† (1)"
    assert table["pca"]["bottleneck 10"] == "1 failed"
    text = Report(sweep).form("markdown")
    assert "no luck" in text
    assert "† one seed" in text
    announce(sweep, TABLE, [config(sweep.parent, "deep", 2, 0)])
    assert shown(sweep)["deep"]["bottleneck 2"] == "—"


def test_a_run_that_failed_after_it_was_measured_counts_as_measured(sweep):
    asked = config(sweep.parent, "vae", 2, 3)
    run = Run(directory(asked))
    with pytest.raises(RuntimeError), run.working(asked):
        run.add({"protocol": "probe", "settings": {}, "metrics": {"probe/accuracy": 0.4, "probe/other": 1.0}}, {})
        raise RuntimeError("the next protocol")
    assert shown(sweep)["vae"]["bottleneck 2"].endswith("(4)")
    assert shown(sweep, metrics=["probe/other"])["vae"]["bottleneck 2"] == "1.0000† (1)"


def test_a_run_that_diverged_is_shown_and_neither_hides_the_others_nor_is_the_best(sweep):
    finish(sweep.parent, "deep", 2, 0, float("inf"))
    finish(sweep.parent, "deep", 2, 1, 0.9)
    assert shown(sweep)["deep"]["bottleneck 2"] == "nan ± nan (2)"
    assert ("deep", "bottleneck 2") not in bold(sweep)
    Report(sweep).files()


def test_rows_come_as_the_sweep_names_them_and_columns_by_size(sweep):
    finish(sweep.parent, "vae", 3, 0, 0.1)
    table = shown(sweep)
    assert list(table) == ["vae", "pca"]
    assert [name for name in table["vae"] if name.startswith("bottleneck")] == [
        f"bottleneck {dim}" for dim in (2, 3, 10)
    ]


def test_what_was_chosen_is_named_in_the_order_of_the_columns(tmp_path):
    choose = {"metric": "probe/validation", "better": "higher", "grid": {"vae": {"code.beta": [1, 2]}}}
    for dim, best in ((2, "1"), (10, "2"), (32, "1")):
        for beta in ("1", "2"):
            finish(tmp_path, "vae", dim, 0, {"probe/validation": float(beta == best)}, **{"code.beta": beta})
    sweep = {"model": ["vae"], "bottleneck": [32, 2, 10]}
    announce(tmp_path / "s", {**TABLE, "sweep": sweep, "published": [], "choose": choose}, [])
    (sentence,) = Report(tmp_path / "s").choices
    assert sentence.endswith("1 (2), 2 (10), 1 (32).")


def test_what_else_varies_becomes_part_of_the_row(sweep):
    finish(sweep.parent, "vae", 10, 0, 0.5, **{"optimizer.lr": 0.1})
    assert {"vae 0.001", "vae 0.1"} <= set(shown(sweep))


def test_any_directory_of_runs_makes_a_table_without_being_announced(sweep):
    (sweep / "table.yaml").unlink()
    assert set(shown(sweep)["vae"]) == {"model", "bottleneck 2", "bottleneck 10"}


def test_by_names_the_rows_and_the_rest_that_varies_makes_columns(sweep):
    finish(sweep.parent, "vae", 10, 0, 0.5, **{"optimizer.lr": 0.1})
    first = shown(sweep, where=["optimizer.lr=0.001"], by=["bottleneck"])
    assert set(first) == {"2", "10"}
    assert {name for name in first["2"] if "," not in name} == {"bottleneck", "model vae", "model pca"}
    assert first["10"]["model vae"] == shown(sweep, where=["optimizer.lr=0.001"])["vae"]["bottleneck 10"]
    assert "bottleneck 10, model vae" in shown(sweep, by=["optimizer.lr"])["0.1"]


def test_where_keeps_the_runs_of_these_values_and_may_be_repeated(sweep):
    assert set(shown(sweep, where=["model=vae"])) == {"vae"}
    assert (
        set(shown(sweep, where=["model=vae,pca"]))
        == set(shown(sweep, where=["model=vae", "model=pca"]))
        == {"vae", "pca"}
    )
    assert shown(sweep, where=["model=vae", "seed=1", "bottleneck=10"])["vae"]["bottleneck 10"] == "84.0† (1)"


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"by": ["modle"]}, "modle is no key of these runs; there are model, bottleneck"),
        ({"where": ["modle=vae"]}, "modle is no key of these runs; there are model, bottleneck"),
        ({"where": ["model=va"]}, "model=va: there is pca, vae"),
        ({"where": ["model"]}, "model=: there is pca, vae"),
        ({"where": ["model=pca", "seed=2"]}, "no run has all that"),
        ({"metrics": ["accuracy"]}, "accuracy: not measured; there are probe/accuracy"),
    ],
)
def test_a_misspelt_question_is_refused_with_what_exists(sweep, asked, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        Report(sweep, **asked)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"publised": []}, "table has no publised: there are title"),
        ({"metrics": {"probe/accuracy": {"beter": "lower"}}}, "table.metrics.probe/accuracy has no beter"),
        ({"metrics": {"probe/accuracy": {"better": "lowr"}}}, "better=lowr: choose lower, higher or null"),
        ({"pareto": ["probe/accuracy", "probe/x"]}, "give two of probe/accuracy"),
    ],
)
def test_a_mistake_in_a_tables_file_is_refused_before_the_sweep(tmp_path, change, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        announce(tmp_path, {**TABLE, **change}, [])


def test_the_tables_of_the_project_are_understood():
    nodes = [read_yaml(file)["table"] for file in (ROOT / "configs" / "table").glob("*.yaml")]
    assert len([Spec.of(node) for node in nodes]) >= 4
    assert all(len(node["sweep"]["seed"]) >= 3 for node in nodes)  # fewer are not ranked


def test_all_forms_are_written_and_the_csv_holds_the_numbers(sweep):
    refresh(sweep, force=True)
    names = {file.name for file in sweep.iterdir()}
    assert {"table.md", "table.csv", "table.tex", "runs.csv", "table.png", "table.pdf"} <= names
    assert (sweep / "table.png").read_bytes().startswith(b"\x89PNG")
    assert (sweep / "table.pdf").read_bytes().startswith(b"%PDF")
    rows = list(csv.DictReader(io.StringIO((sweep / "table.csv").read_text())))
    (row,) = [row for row in rows if (row["model"], row["bottleneck"]) == ("vae", "10")]
    assert float(row["probe/accuracy mean"]) == pytest.approx(mean(SEEDS.values()))
    assert float(row["probe/accuracy std"]) == pytest.approx(stdev(SEEDS.values()))
    assert row["probe/accuracy n"] == "3"
    tidy = list(csv.DictReader(io.StringIO((sweep / "runs.csv").read_text())))
    assert len([row for row in tidy if row["metric"] == "probe/accuracy"]) == 7


def test_the_table_can_be_made_from_its_runs_csv_alone(sweep, tmp_path):
    refresh(sweep, force=True)
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in ("table.yaml", "runs.csv"):
        shutil.copy(sweep / name, kept)
    assert Report(kept).form("markdown") == Report(sweep).form("markdown")
    assert set(shown(kept, where=["seed=0"], by=["bottleneck"])) == {"2", "10"}


def test_a_table_is_not_rewritten_many_times_a_second_and_pictures_are_drawn_less_often(sweep, monkeypatch):
    assert refresh(sweep)
    assert refresh(sweep) == ""
    monkeypatch.setattr(sweep_files, "OFTEN", 0.0)
    drawn = (sweep / "table.png").stat().st_mtime_ns
    assert "table.png" not in refresh(sweep)
    assert (sweep / "table.png").stat().st_mtime_ns == drawn
    assert "table.png" in refresh(sweep, force=True)


def test_a_sweep_that_still_runs_has_a_table_that_says_so(sweep):
    (sweep / "vae-digits-2-s9-00000000" / "checkpoints").mkdir(parents=True)  # made, nothing written
    begun = Run(sweep / "vae-digits-10-s9-00000000")
    begun.path.mkdir()
    (begun.path / "config.yaml").write_text(yaml.safe_dump(config(sweep.parent, "vae", 10, 9)))
    (begun.path / ".status.json.123").write_text('{"state": "run')
    assert shown(sweep)["vae"]["bottleneck 10"].endswith("(3)")
    assert "1 of 9 runs are not finished" in Report(sweep).form("markdown")
    (begun.path / "config.yaml").write_text("choices: {")
    assert "damaged: " in Report(sweep).form("markdown")


@pytest.mark.parametrize(
    ("form", "sign"),
    [
        ("markdown", "| vae"),
        ("csv", "model,bottleneck,probe/accuracy mean"),
        ("latex", "\\toprule"),
        ("html", "</html>"),
    ],
)
def test_the_program_prints_the_table_and_needs_no_torch(sweep, form, sign):
    blind = "import sys, runpy; sys.modules['torch'] = sys.modules['hydra'] = None; "
    run = f"sys.argv = ['report', {str(sweep)!r}, '--format', {form!r}]; runpy.run_module('aeexp.report')"
    code = blind + run.replace("aeexp.report'", "aeexp.report', run_name='__main__'")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sign in done.stdout


def test_the_output_goes_to_a_file_or_with_the_pictures_into_a_directory(sweep, tmp_path, program):
    before = sorted(sweep.iterdir())
    done = program(
        "aeexp.report", str(sweep), "--by", "bottleneck", "--format", "csv", "--output", str(tmp_path / "a.csv")
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "a.csv").read_text() == Report(sweep, by=["bottleneck"]).form("csv")
    (tmp_path / "all").mkdir()
    done = program("aeexp.report", str(sweep), "--output", str(tmp_path / "all"))
    assert {"table.md", "table.pdf"} < {file.name for file in (tmp_path / "all").iterdir()}
    assert len(done.stdout.split()) == len(list((tmp_path / "all").iterdir()))
    assert sorted(sweep.iterdir()) == before


def test_a_directory_without_finished_runs_is_refused_in_a_sentence(tmp_path, program):
    done = program("aeexp.report", str(tmp_path))
    assert done.returncode == 1
    assert "holds no finished run" in done.stderr
    assert "Traceback" not in done.stderr


def test_five_hundred_runs_take_less_than_two_seconds(tmp_path):
    asked = {**config(tmp_path, "vae", 2, 0), "filler": {f"key_{n}": [n, {"deep": str(n)}] for n in range(40)}}
    metrics = {f"probe/{name}": 0.5 for name in ("accuracy", "squared_error", "psnr", "ssim", "nats", "converged")}
    for n in range(500):
        run = tmp_path / "s" / f"run-{n}"
        (run / "checkpoints").mkdir(parents=True)
        dim, model = str(2 ** (n % 10)), f"kind_{n // 10 % 10}"
        mine = {"seed": n // 100, "bottleneck": {"dim": dim}, "choices": {"model": model, "bottleneck": dim}}
        values = {name: value + n * 0.37 % 1 for name, value in metrics.items()}
        (run / "config.yaml").write_text(
            yaml.dump({**asked, **mine, "overrides": {**mine["choices"]}}, Dumper=yaml.CSafeDumper)
        )
        (run / "status.json").write_text('{"state": "completed"}')
        (run / "results.json").write_text(json.dumps({"training": {}, "protocols": [{"metrics": values}]}))
    # a child's ru_maxrss counts what it shared with this process before it became another program; VmHWM does not
    peak = "import atexit, sys; atexit.register(lambda: sys.stderr.write(open('/proc/self/status').read()))"
    code = f"{peak}; import runpy; runpy.run_module('aeexp.report', run_name='__main__', alter_sys=True)"
    command = [sys.executable, "-c", code, str(tmp_path / "s"), "--metrics", ",".join(metrics)]
    took = []
    for _ in range(3):  # the machine may be busy with something else for a moment
        began = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        took.append(time.perf_counter() - began)
        assert done.returncode == 0, done.stderr
    assert done.stdout.count(" (5)") == 100 * len(metrics)
    memory = int(re.search(r"VmHWM:\s+(\d+) kB", done.stderr).group(1)) / 1024
    print(f"500 runs: {min(took):.2f}..{max(took):.2f} s, {memory:.0f} MiB")
    assert min(took) < 2
    assert memory < 150


def test_a_table_of_seconds_says_what_they_are_of(tmp_path):
    for seed, device in enumerate(["cpu", "NVIDIA H100", "cpu"]):
        given = config(tmp_path, "vae", 2, seed)
        run = Run(directory(given))
        with run.working(given):
            run.mark_trained({"device": device, "epochs": 3, "seconds": 2.0})
            run.add({"protocol": "probe", "settings": {}, "metrics": {"probe/accuracy": 0.5}}, {})
    said = "The seconds are of NVIDIA H100 (1 run), cpu (2 runs)."
    assert said in Report(tmp_path / "s", metrics=["training/seconds"]).notes
    assert said not in Report(tmp_path / "s", metrics=["probe/accuracy"]).notes
