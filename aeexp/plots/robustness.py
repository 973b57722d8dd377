"""Squared error and accuracy by the level of a corruption, a chart a corruption; raw pixels in grey."""

from collections.abc import Callable
from math import isnan
from typing import NamedTuple

from matplotlib.figure import Figure

from aeexp.plots.palette import colour, marker
from aeexp.plots.style import GREY, SMALL, charts


class Point(NamedTuple):
    """Metrics of a model on test examples under one corruption at one level."""

    squared_error: float  # mean of ||x - g(f(x~))||^2
    accuracy: float  # nan without a code, or without labels


ByLevel = dict[str, dict[float, Point]]  # by corruption, by level


def curves(model: ByLevel, raw: ByLevel, options: dict[str, str], name: str) -> dict[str, Figure]:
    """The squared error, and the accuracy where there is one; `options` names the level of each corruption."""
    figures = {"error_under_corruption": _curves(model, raw, options, name, "squared error", lambda p: p.squared_error)}
    if not any(isnan(point.accuracy) for points in model.values() for point in points.values()):
        figures["accuracy_under_corruption"] = _curves(model, raw, options, name, "accuracy", lambda p: p.accuracy)
    return figures


def _curves(
    model: ByLevel, raw: ByLevel, options: dict[str, str], name: str, title: str, value: Callable[[Point], float]
) -> Figure:
    figure, axes = charts([corruption.replace("_", " ") for corruption in model], 1.9)
    lines = ((raw, GREY, "--", "raw pixels", "."), (model, colour(name), "-", name, marker(name)))
    for chart, corruption in zip(axes, model, strict=True):
        for by_level, ink, style, label, point in lines:
            points = by_level[corruption]
            values = [value(point) for point in points.values()]
            chart.plot([*points], values, style, color=ink, marker=point, markersize=2.5, linewidth=1, label=label)
        chart.set_xlabel(options[corruption])
        chart.set_ylim(bottom=0)
    axes[0].set_ylabel(title)
    axes[0].legend(fontsize=SMALL, frameon=False)
    return figure
