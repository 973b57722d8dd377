"""The units of a code, sorted by their variance and by their mutual information with the label."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from aeexp.plots.palette import colour, marker
from aeexp.plots.style import GREY, SMALL, charts


def unit_charts(variance: Tensor, active: float, information: Tensor, entropy: float, model: str) -> Figure:
    """Relative variances (D,) with the threshold of active units, and information (D,), nats, with H(label).

    Without labels `information` is empty, and has no chart.
    """
    titles = ["variance, of the largest", "information on the label"]
    figure, axes = charts(titles if len(information) else titles[:1], 1.7)
    _descending(axes[0], variance, active, "active", model)
    axes[0].set_yscale("symlog", linthresh=active / 10)
    axes[0].set_ylim(0, 1.5)
    for chart in axes[1:]:
        _descending(chart, information, entropy, "H(label)", model)
        chart.set(ylabel="nats", ylim=(0, 1.1 * entropy + 1e-9))
    return figure


def codebook_chart(shares: Tensor, model: str) -> Figure:
    """How frequent each entry of a codebook is that occurs, (K,), the most frequent first; a dashed line if all were
    alike."""
    figure, (axes,) = charts(["entries of the codebook, by frequency"], 1.7)
    axes.axhline(1 / len(shares), color=GREY, linewidth=0.8, linestyle="--")
    axes.stairs(shares.numpy(), range(1, len(shares) + 2), fill=True, color=colour(model))
    axes.set(xlabel="entry, sorted", ylabel="share of the symbols", ylim=(0, None))
    return figure


def _descending(axes: Axes, values: Tensor, line: float, name: str, model: str) -> None:
    """A point a unit, sorted, and a line to compare with."""
    axes.axhline(line, color=GREY, linewidth=0.8, linestyle="--")
    axes.annotate(name, (1, line), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=SMALL)
    ranked = values.sort(descending=True).values.tolist()
    axes.plot(range(1, len(values) + 1), ranked, "-", marker=marker(model), color=colour(model), markersize=2)
    axes.lines[-1].set_linewidth(0.8)
    axes.set_xlabel("unit, sorted")
