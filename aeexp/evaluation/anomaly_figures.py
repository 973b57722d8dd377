"""Pictures of `anomaly`: the scores of normal and anomalous examples with the threshold, and the ROC of all scores."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import auc, roc_curve
from torch import Tensor

from aeexp.colours import colour

BINS = 50
STYLES = ("-", "--", ":", "-.")
GREY = "0.6"
plain = {"fontsize": 7}


class Values(NamedTuple):
    """What one score gives, (n,) float64 each."""

    normal: Tensor
    strange: dict[str, Tensor]  # by the name of their group


def histograms(found: dict[str, Values], limits: dict[str, float], kind: str) -> Figure:
    """A row a score, over the range of nearly all of its values: a few extreme ones would leave nothing to see."""
    figure = Figure(figsize=(3.5, 0.3 + 1.2 * len(found)), dpi=200, layout="constrained")
    for axes, (name, values) in zip(figure.subplots(len(found), 1, squeeze=False).flat, found.items(), strict=True):
        _histogram(axes, values, kind)
        axes.axvline(limits[name], color="black", linewidth=0.8, linestyle=":", label="threshold")
        axes.set_xlabel(name.replace("_", " "), **plain)
        axes.set_yticks([])
        axes.tick_params(labelsize=6)
    figure.axes[0].legend(fontsize=6, frameon=False)
    figure.supylabel("share of examples", **plain)
    return figure


def _histogram(axes: Axes, values: Values, kind: str) -> None:
    groups = {"normal": values.normal, **values.strange}
    low, high = (np.quantile(np.concatenate([*groups.values()]), q) for q in (0, 0.995))
    bins = np.linspace(low, max(high, low + 1e-12), BINS).tolist()
    for (name, scores), style in zip(groups.items(), ("-", *STYLES), strict=False):
        look = (
            {"histtype": "stepfilled", "color": "0.8"}
            if name == "normal"
            else {"histtype": "step", "color": colour(kind), "linestyle": style, "linewidth": 0.9}
        )
        axes.hist(np.clip(scores, low, high), bins, weights=np.full(len(scores), 1 / len(scores)), label=name, **look)


def rocs(found: dict[str, Values], beside: dict[str, Values], kind: str) -> Figure:
    """A panel a group of anomalous examples; the kind's scores in its colour, the baselines in grey."""
    groups = list(next(iter(found.values())).strange)
    figure = Figure(
        figsize=(max(3.5, 2.4 * len(groups)), 4.0 if len(groups) == 1 else 3.6), dpi=200, layout="constrained"
    )
    for axes, group in zip(figure.subplots(1, len(groups), squeeze=False).flat, groups, strict=True):
        for scores, shade in ((beside, GREY), (found, colour(kind))):
            for (name, (normal, strange)), style in zip(scores.items(), STYLES, strict=False):
                truth = np.repeat([0, 1], [len(normal), len(strange[group])])
                x, y, _ = roc_curve(truth, np.concatenate([normal, strange[group]]))
                label = f"{name.replace('_', ' ')} {auc(x, y):.3f}"
                axes.plot(x, y, color=shade, linestyle=style, linewidth=1, label=label)
        axes.plot([0, 1], [0, 1], color="0.85", linewidth=0.6, zorder=0)
        axes.set_aspect("equal")
        axes.set_title(f"anomalous: {group}", **plain)
        axes.set_xlabel("false alarms", **plain)
        axes.set_ylabel("anomalies found", **plain)
        axes.tick_params(labelsize=6)
        axes.legend(fontsize=6, frameon=False, title="AUROC", title_fontsize=6, loc="lower right")
    return figure
