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

import numpy as np
import pytest
import yaml
from conftest import ROOT
from scipy.stats import ttest_rel

from aeexp.errors import UserError
from aeexp.report import cells, collect, figure
from aeexp.report import sweep as sweep_files
from aeexp.report.collect import configuration
from aeexp.report.spec import Metric, Spec
from aeexp.report.sweep import Report, announce, refresh
from aeexp.runs.files import read_yaml
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
        "force": False,
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
        metrics = value if isinstance(value, dict) else {"probe/accuracy": value}
        run.add({"protocol": "probe", "settings": {}, "metrics": metrics}, {})


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


def shown(folder, **asked):
    """The only table, as row -> column -> text."""
    (table,) = Report(folder, **asked).tables()
    return {row[0]: dict(zip(table.header, row, strict=True)) for row in table.body}


def bold(folder, **asked):
    """The rows and columns of the only table whose cells are marked."""
    (table,) = Report(folder, **asked).tables()
    return {(table.body[row][0], table.header[column]) for row, column in table.best}


def test_mean_deviation_and_n_over_seeds(sweep):
    values = [100 * value for value in SEEDS.values()]
    assert shown(sweep)["vae"]["bottleneck 10"] == f"{mean(values):.1f} ± {stdev(values):.1f} (3)"


@pytest.mark.parametrize("away", [-2.5, -1.5, 1.5, 2.5])
def test_the_published_value_the_difference_and_whether_it_lies_within_our_deviations(sweep, away):
    values = list(SEEDS.values())
    value = mean(values) + away * stdev(values)
    published = [{**TABLE["published"][0], "value": value}]
    announce(sweep, {**TABLE, "published": published}, [])
    table = shown(sweep)
    assert table["vae"]["published, bottleneck 10"] == f"{100 * value:.1f} [1]"
    assert table["vae"]["difference, bottleneck 10"] == f"{100 * (mean(values) - value):+.1f}"
    assert table["vae"]["within 2 std, bottleneck 10"] == ("yes" if abs(away) < 2 else "no")
    assert table["pca"]["published, bottleneck 10"] == "—"
    assert "published, bottleneck 2" not in table["vae"]
    assert "[1] a paper" in Report(sweep).form("markdown")


def test_one_seed_says_nothing_about_whether_a_published_value_is_within(sweep):
    where = {"model": "pca", "bottleneck": 2}
    announce(sweep, {**TABLE, "published": [{**TABLE["published"][0], "where": where}]}, [])
    assert shown(sweep)["pca"]["within 2 std, bottleneck 2"] == "—"


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


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_the_paired_test_is_scipys(n):
    one, other = np.random.default_rng(n).normal(size=(2, n))
    assert cells.p_value(list(one), list(other)) == pytest.approx(ttest_rel(one, other).pvalue)
    assert cells.p_value([1.0] * n, [1.0] * n) == 1
    assert cells.p_value([1.0] * n, [2.0] * n) == 0


def measured(root, better, values, unranked=()):
    """A directory of one column with these values of some models, seed by seed."""
    metric = {"title": "accuracy, %", "better": better, "unranked": list(unranked)}
    announce(root / "s", {**TABLE, "metrics": {"probe/accuracy": metric}}, [])
    for model, row in values.items():
        for seed, value in enumerate(row):
            finish(root, model, 2, seed, value)
    return root / "s"


# deep is below vae by nearly the same in every seed, sparse is not: a test that does not pair would not see the first
VALUES = {"vae": [0.8, 0.5, 0.9, 0.7], "deep": [0.78, 0.485, 0.88, 0.68], "sparse": [0.9, 0.2, 0.95, 0.74]}


def test_the_best_and_all_that_a_paired_test_does_not_tell_from_it_are_marked(tmp_path):
    folder = measured(tmp_path, "higher", VALUES)
    assert ttest_rel(VALUES["vae"], VALUES["deep"]).pvalue < cells.LEVEL < ttest_rel(VALUES["vae"], VALUES["sparse"])[1]
    assert bold(folder) == {("vae", "bottleneck 2"), ("sparse", "bottleneck 2")}
    text, latex = Report(folder).form("markdown"), Report(folder).form("latex")
    assert re.search(r"\| vae +\| \*\*0\.725 .* \(4\)\*\* \|", text.replace("0.7250", "0.725"))
    assert re.search(r"\| deep +\| 0\.", text)
    assert "paired t-test" in text
    assert "With 4 seeds it tells only what is 1.6 standard deviations" in text  # t(0.975; 3) / sqrt(4) = 3.18 / 2
    assert latex.count("\\textbf") == 2


def test_lower_is_better_where_the_table_says_so_and_what_is_unranked_does_not_compete(tmp_path):
    values = {"vae": VALUES["vae"], "deep": VALUES["deep"], "pca": [0.0] * 4}
    assert bold(measured(tmp_path, "lower", values, unranked=["pca"])) == {("deep", "bottleneck 2")}
    assert bold(measured(tmp_path, "higher", values)) == {("vae", "bottleneck 2")}
    assert bold(measured(tmp_path, "lower", values)) == {("pca", "bottleneck 2")}


def test_without_common_seeds_only_the_best_mean_is_marked(tmp_path):
    folder = measured(tmp_path, "higher", {"vae": [0.5], "deep": [0.51]})
    assert bold(folder) == {("deep", "bottleneck 2")}
    assert "nothing could be tested" in Report(folder).form("markdown")


def test_a_metric_without_a_direction_marks_nothing_and_plain_names_have_one(tmp_path):
    assert bold(measured(tmp_path, None, VALUES)) == set()
    directions = {
        name: Metric.of(f"p/{name}").better for name in ("accuracy_0.01", "squared_error", "nats", "accuracy_std")
    }
    assert directions == {"accuracy_0.01": "higher", "squared_error": "lower", "nats": None, "accuracy_std": None}


def test_rows_of_another_data_set_do_not_compete(tmp_path):
    for seed in range(3):
        finish(tmp_path, "vae", 2, seed, 0.9 + seed / 100, **{"data.name": "digits"})
        finish(tmp_path, "deep", 2, seed, 0.8, **{"data.name": "digits"})
        finish(tmp_path, "vae", 2, seed, 0.5, **{"data.name": "mnist"})
        finish(tmp_path, "deep", 2, seed, 0.6 + seed / 100, **{"data.name": "mnist"})
    assert {row for row, _ in bold(tmp_path / "s")} == {"vae digits", "deep mnist"}


def test_rows_come_as_the_sweep_names_them_and_columns_by_size(sweep):
    finish(sweep.parent, "vae", 3, 0, 0.1)
    table = shown(sweep)
    assert list(table) == ["vae", "pca"]
    assert [name for name in table["vae"] if name.startswith("bottleneck")] == [
        f"bottleneck {dim}" for dim in (2, 3, 10)
    ]


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
    tables = [Spec.of(read_yaml(file)["table"]) for file in (ROOT / "configs" / "table").glob("*.yaml")]
    assert len(tables) >= 2


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
    with pytest.raises(UserError, match=r"config\.yaml is not what a run left there"):
        Report(sweep)


def test_a_run_that_vanishes_while_it_is_read_is_looked_for_again(sweep, monkeypatch):
    there, looks = collect.find, []

    def find(folder):
        looks.append(folder)
        return there(folder) if len(looks) > 1 else [*there(folder), Run(folder / "gone")]

    monkeypatch.setattr(collect, "find", find)
    assert set(shown(sweep)) == {"vae", "pca"}
    assert len(looks) == 2


def test_a_configuration_is_read_as_yaml_reads_it(tmp_path):
    odd = {"a": {"b": [1, "x\ny: z"], "c": None}, "list": [{"k": 1}, []], "#no": "- a: b", "12": "long " * 60, "e": {}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(odd, sort_keys=False))
    assert configuration(tmp_path / "config.yaml") == read_yaml(tmp_path / "config.yaml") == odd
    twice = {"a": odd["list"], "b": odd["list"], "choices": {}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(twice))
    assert "*id" in (tmp_path / "config.yaml").read_text()
    assert configuration(tmp_path / "config.yaml") == twice


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no LaTeX is installed")
def test_the_latex_compiles_with_booktabs(sweep):
    title = r"odd_% & # $ ~ ^ \ {x} <y> | ± — †"
    published = [{**TABLE["published"][0], "source": 2}]
    announce(sweep, {**TABLE, "title": title, "notes": [title], "sources": {2: title}, "published": published}, [])
    (sweep / "table.tex").write_text(Report(sweep).form("latex"))
    latex = (sweep / "table.tex").read_text()
    assert latex.index(r"\toprule") < latex.index(r"\midrule") < latex.index(r"\bottomrule")
    assert all(word in latex for word in (r"\textbf", r"\_", r"\textasciitilde{}", r"\textasciicircum{}"))
    lines = [
        r"\documentclass{article}",
        r"\usepackage{booktabs}",
        r"\begin{document}",
        r"\input{table}",
        r"\end{document}",
    ]
    (sweep / "paper.tex").write_text("\n".join(lines))
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"]
    done = subprocess.run(command, cwd=sweep, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (sweep / "paper.pdf").read_bytes().startswith(b"%PDF")


def two_metrics(folder):
    metrics = {"probe/accuracy": {"title": "accuracy"}, "probe/squared_error": {"title": "error", "unranked": ["pca"]}}
    announce(
        folder / "s",
        {**TABLE, "metrics": metrics, "pareto": list(metrics), "sweep": {"model": ["vae", "deep", "pca"]}},
        [],
    )
    for model, best in (("vae", 0.8), ("deep", 0.7), ("pca", 0.9)):
        for dim in (2, 10):
            for seed in range(3):
                value = best - 1 / dim + seed / 50
                finish(folder, model, dim, seed, {"probe/accuracy": value, "probe/squared_error": 1 / value})
    return Report(folder / "s")


def test_the_band_is_one_deviation_and_a_kind_keeps_its_colour(tmp_path):
    report = two_metrics(tmp_path)
    panel = figure.curves(report.rows, report.spec).axes[0]
    line = next(line for line in panel.lines if line.get_label() == "vae")
    assert list(line.get_xdata()) == [2, 10]
    values = [[best - 1 / dim + seed / 50 for seed in range(3)] for best, dim in ((0.8, 2), (0.8, 10))]
    assert list(line.get_ydata()) == pytest.approx([mean(row) for row in values])
    heights = {y for path in panel.collections[0].get_paths() for _, y in path.vertices}
    for row in values:
        for edge in (mean(row) - stdev(row), mean(row) + stdev(row)):
            assert min(abs(edge - height) for height in heights) < 1e-9
    points = figure.pareto(report.rows, report.spec).axes[0]
    front, others = points.lines[-1], [line.get_color() for line in points.lines[:-1]]
    assert front.get_label() == "front"
    assert set(others) == {
        line.get_color() for line in panel.lines if line.get_label() != "pca"
    }  # pca does not compete
    fewer = [row for row in report.rows if row["model"] != "vae"]
    assert figure.styles(fewer, report.spec)[("deep",)] == figure.styles(report.rows, report.spec)[("deep",)]
    assert figure.styles(report.rows, report.spec)[("vae",)]["color"] not in figure.GREYS
    assert figure.styles(report.rows, report.spec)[("pca",)]["color"] in figure.GREYS


def test_the_front_is_what_nothing_else_beats():
    points = [tuple(point) for point in np.random.default_rng(0).integers(0, 12, (40, 2)).tolist()]
    better = {"lower": -1, "higher": 1}
    for x in better:
        for y in better:
            metrics = [Metric(name, name, direction) for name, direction in (("x", x), ("y", y))]
            signed = {point: (better[x] * point[0], better[y] * point[1]) for point in points}
            worse = {p for p in points for q in points if all(np.greater_equal(signed[q], signed[p])) and p != q}
            assert figure.front(points, *metrics) == sorted(set(points) - worse)


@pytest.mark.parametrize(
    ("form", "sign"), [("markdown", "| vae"), ("csv", "model,bottleneck,probe/accuracy mean"), ("latex", "\\toprule")]
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
