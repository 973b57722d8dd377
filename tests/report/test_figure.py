"""The pictures of a table: its curves, and two metrics against each other."""

from statistics import mean, stdev

import numpy as np
import pytest
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
