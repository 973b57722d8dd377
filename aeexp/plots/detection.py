"""Pictures of `anomaly`: the scores of normal and anomalous examples with the threshold, and the ROC of all scores."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import auc, roc_curve

from aeexp.plots.palette import colour
from aeexp.plots.style import FONT, GREY, INK, SMALL, charts

BINS = 40
STYLES = ("-", "--", ":", "-.")


class Values(NamedTuple):
    """What one score gives, (n,) float64 each."""

    normal: np.ndarray
    anomalous: dict[str, np.ndarray]  # by the name of their group


def labelled(normal: np.ndarray, anomalous: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """0 for normal and 1 for anomalous, and the scores: (n + m,) each."""
    return np.repeat([0, 1], [len(normal), len(anomalous)]), np.concatenate([normal, anomalous])


def histograms(found: dict[str, Values], limits: dict[str, float], model: str) -> Figure:
    """A chart a score: the share of examples in each bin, linear up to the usual normal score, logarithmic above."""
    figure, charted = charts([name.replace("_", " ") for name in found], 1.6)
    for axes, (name, values) in zip(charted, found.items(), strict=True):
        _histogram(axes, values, model)
        axes.axvline(limits[name], color=INK, linewidth=0.8, linestyle=(0, (1, 1)), label="threshold")
        axes.set_xticks([limits[name]], [f"{limits[name]:.3g}"])
        axes.set_xticks([], minor=True)
        axes.set_yticks([])
    charted[0].set_ylabel("share of examples")
    handles, names = charted[0].get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc="outside upper center",
        ncols=len(names),
        fontsize=FONT,
        frameon=False,
        handlelength=1,
        columnspacing=1,
    )
    return figure


def _histogram(axes: Axes, values: Values, model: str) -> None:
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


def rocs(found: dict[str, Values], beside: dict[str, Values], model: str) -> Figure:
    """A chart a group of anomalous examples; the model's scores in its colour, the baselines `beside` in grey."""
    groups = list(next(iter(found.values())).anomalous)
    figure, charted = charts(groups, 3.5 if len(groups) == 1 else 3.2)
    place = {"loc": "lower right"} if len(groups) == 1 else {"loc": "upper center", "bbox_to_anchor": (0.5, -0.25)}
    for axes, group in zip(charted, groups, strict=True):
        for scores, shade in ((found, colour(model)), (beside, GREY)):
            for (name, (normal, anomalous)), style in zip(scores.items(), STYLES, strict=False):
                x, y, _ = roc_curve(*labelled(normal, anomalous[group]))
                label = f"{name.replace('_', ' ')}  {auc(x, y):.3f}"
                axes.plot(x, y, color=shade, linestyle=style, linewidth=1, label=label)
        axes.plot([0, 1], [0, 1], color="0.85", linewidth=0.5, zorder=0)
        axes.set(aspect="equal", xlabel="false alarms")
        axes.legend(fontsize=SMALL, frameon=False, title="AUROC", title_fontsize=SMALL, **place)
    charted[0].set_ylabel("anomalies found")
    return figure
