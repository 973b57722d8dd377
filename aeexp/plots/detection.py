"""Figures of anomaly detection: the scores of normal and anomalous examples with the threshold, and ROC curves."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import auc

from aeexp.plots.palette import colour
from aeexp.plots.style import FONT, GREY, INK, SMALL, charts

BINS = 40
STYLES = ("-", "--", ":", "-.")
Rocs = dict[str, tuple[np.ndarray, np.ndarray]]  # by group: false alarm rate and detection rate, (t,) each


class Scores(NamedTuple):
    """The values of one anomaly score, (n,) float64 each."""

    normal: np.ndarray
    anomalous: dict[str, np.ndarray]  # by the name of their group


def score_histograms(scores: dict[str, Scores], thresholds: dict[str, float], model: str) -> Figure:
    """A chart a score: the share of examples in each bin, linear up to the median normal score, logarithmic above."""
    figure, charted = charts([name.replace("_", " ") for name in scores], 1.6)
    for axes, (name, values) in zip(charted, scores.items(), strict=True):
        _histogram(axes, values, model)
        axes.axvline(thresholds[name], color=INK, linewidth=0.8, linestyle=(0, (1, 1)), label="threshold")
        axes.set_xticks([thresholds[name]], [f"{thresholds[name]:.3g}"])
        axes.set_xticks([], minor=True)
        axes.set_yticks([])
    charted[0].set_ylabel("share of examples")
    handles, names = charted[0].get_legend_handles_labels()
    look = {"fontsize": FONT, "frameon": False, "handlelength": 1, "columnspacing": 1}
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), **look)
    return figure


def _histogram(axes: Axes, values: Scores, model: str) -> None:
    every = np.concatenate([values.normal, *values.anomalous.values()])
    usual = max(float(np.median(np.abs(values.normal))), 1e-9)
    low, high = np.arcsinh(every.min() / usual), np.arcsinh(every.max() / usual)
    bins = usual * np.sinh(np.linspace(low, max(high, low + 1e-9), BINS))
    axes.set_xscale("asinh", linear_width=usual)

    def draw(name: str, scores: np.ndarray, **look: object) -> None:
        shares = np.histogram(scores.clip(bins[0], bins[-1]), bins)[0] / len(scores)
        axes.stairs(shares, bins, label=name, **look)  # type: ignore[arg-type]

    draw("normal", values.normal, fill=True, color="0.8")
    for (name, scores), style in zip(values.anomalous.items(), STYLES, strict=False):
        draw(name, scores, color=colour(model), linestyle=style, linewidth=0.9)


def roc_curves(scores: dict[str, Rocs], baselines: dict[str, Rocs], model: str) -> Figure:
    """A chart a group of anomalous examples; the model's scores in its colour, the baselines in grey."""
    groups = list(next(iter(scores.values())))
    figure, charted = charts(groups, 3.5 if len(groups) == 1 else 3.2)
    place = {"loc": "lower right"} if len(groups) == 1 else {"loc": "upper center", "bbox_to_anchor": (0.5, -0.25)}
    for axes, group in zip(charted, groups, strict=True):
        for curves, shade in ((scores, colour(model)), (baselines, GREY)):
            for (name, by_group), style in zip(curves.items(), STYLES, strict=False):
                label = f"{name.replace('_', ' ')}  {auc(*by_group[group]):.3f}"
                axes.plot(*by_group[group], color=shade, linestyle=style, linewidth=1, label=label)
        axes.plot([0, 1], [0, 1], color="0.85", linewidth=0.5, zorder=0)
        axes.set(aspect="equal", xlabel="false alarm rate")
        axes.legend(fontsize=SMALL, frameon=False, title="AUROC", title_fontsize=SMALL, **place)
    charted[0].set_ylabel("detection rate")
    return figure


def largest_errors(rows: dict[str, list[tuple[str, float]]], model: str) -> Figure:
    """A bar a row: the shares of its error that its named columns have, the largest first."""
    figure, (axes,) = charts(["largest errors, and the columns that they are due to"], 0.35 + 0.24 * len(rows))
    for place, columns in enumerate(rows.values()):
        left = 0.0
        for n, (_, share) in enumerate(columns):
            axes.barh(place, share, left=left, height=0.8, color=colour(model), alpha=0.75 - 0.22 * n, linewidth=0)
            left += share
        label = ", ".join(f"{name} {share:.0%}" for name, share in columns)
        axes.text(0.01, place, label, fontsize=SMALL, va="center", color=INK)
    axes.set(xlim=(0, 1), xticks=[])
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    return figure
