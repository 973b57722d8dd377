"""The pictures of a table: its curves, and two metrics against each other."""

from dataclasses import replace
from statistics import mean, stdev

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from stored_runs import TABLE, finish

from aeexp.report import figure
from aeexp.report.report import Report
from aeexp.report.spec import Metric
from aeexp.report.sweep import announce


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


def overlaps(axis, renderer):
    boxes = [label.get_window_extent(renderer) for label in axis.get_ticklabels() if label.get_text()]
    return [one for n, one in enumerate(boxes) for other in boxes[n + 1 :] if one.overlaps(other)]


@pytest.mark.parametrize(
    "sizes", [(1, 2, 10, 32, 64), (2, 3, 4, 5, 6, 7, 8, 9, 10), (100, 110, 120, 1000), (7,), (1, 2)]
)
def test_the_labels_of_the_ticks_do_not_overlap_and_both_ends_have_one(tmp_path, sizes):
    metrics = {"probe/accuracy": {"title": "accuracy"}, "probe/squared_error": {"title": "error"}}
    announce(tmp_path / "s", {**TABLE, "metrics": metrics, "pareto": list(metrics)}, [])
    for dim in sizes:
        finish(tmp_path, "vae", dim, 0, {"probe/accuracy": 1 - 1 / (dim + 1), "probe/squared_error": 300 / dim**2})
    report = Report(tmp_path / "s")
    for picture in (figure.curves(report.rows, report.spec), figure.pareto(report.rows, report.spec)):
        renderer = FigureCanvasAgg(picture).get_renderer()
        picture.draw(renderer)
        for axes in picture.axes:
            assert overlaps(axes.xaxis, renderer) == overlaps(axes.yaxis, renderer) == []
            assert all("$" not in label.get_text() for label in axes.yaxis.get_ticklabels())
    labels = [label.get_text() for label in figure.curves(report.rows, report.spec).axes[0].xaxis.get_ticklabels()]
    assert {f"{sizes[0]:g}", f"{sizes[-1]:g}"} <= {*labels}


def test_lines_differ_in_colour_marker_and_style(tmp_path):
    report = two_metrics(tmp_path)
    looks = figure.styles(report.rows, report.spec)
    assert len({look["marker"] for look in looks.values()}) == len(looks) == 3
    more = [{**row, "data": data} for row in report.rows for data in ("a", "b")]
    spec = replace(report.spec, rows=["model", "data"])
    looks = figure.styles(more, spec)
    assert len({(str(look["color"]), look["marker"]) for look in looks.values()}) == 6
