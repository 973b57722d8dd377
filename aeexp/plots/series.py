"""Series over time with the anomaly score of each instant: of a long one beneath it, of short ones on the curves."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from aeexp.plots.palette import colour
from aeexp.plots.style import COLUMN, DPI, FONT, GREY, INK

SHOWN = 4  # columns
MOST = 4000  # points of a line, of which a longer series shows the largest in each stretch


class Explained(NamedTuple):
    x: np.ndarray  # (T, F)
    restored: np.ndarray  # (T, F)


def explained_series(series: dict[str, Explained], model: str) -> Figure:
    """A chart a series: its curves, their reconstructions in the model's colour, and how large the squared error is at
    each instant, as a band from the bottom, of one scale for all."""
    figure = Figure(figsize=(COLUMN, 0.62 * len(series)), dpi=DPI, layout="constrained")
    charted = figure.subplots(len(series), 1, sharex=True, squeeze=False)[:, 0]
    errors = [np.square(one.x - one.restored).sum(1) for one in series.values()]
    largest = max(max(error.max() for error in errors), 1e-12)
    for axes, (name, one), error in zip(charted, series.items(), errors, strict=True):
        band = axes.twinx()
        band.fill_between(np.arange(len(error)), error, color=colour(model), alpha=0.35, linewidth=0)
        band.set(ylim=(0, 1.05 * largest), yticks=[])
        axes.plot(one.x[:, :SHOWN], color=INK, linewidth=0.6)
        axes.plot(one.restored[:, :SHOWN], color=colour(model), linewidth=0.6, linestyle="--")
        axes.set_ylabel(name, fontsize=FONT, rotation=0, ha="right", va="center")
        axes.set_yticks([])
        axes.tick_params(labelsize=FONT, width=0.5, length=2)
        for chart in (axes, band):
            for side in ("top", "right", "left"):
                chart.spines[side].set_visible(False)
    charted[-1].set_xlabel("instant (dashed: reconstruction; band: its squared error)", fontsize=FONT)
    return figure


def scored_series(values: np.ndarray, scores: np.ndarray, threshold: float, truth: np.ndarray, model: str) -> Figure:
    """The first columns of values (T, F), the scores (T,) with the threshold, the anomalous instants (T,) shaded."""
    figure = Figure(figsize=(COLUMN, 2.4), dpi=DPI, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    stretch = -(-len(scores) // MOST)
    at = np.arange(0, len(scores), stretch)
    for column in values.T[:SHOWN]:
        above.plot(at, column[::stretch], linewidth=0.4, color=INK, alpha=0.7)
    below.plot(at, np.maximum.reduceat(scores, at), linewidth=0.5, color=colour(model))
    below.axhline(threshold, color=GREY, linewidth=0.6, linestyle=(0, (1, 1)))
    below.set_yscale("asinh", linear_width=max(threshold, 1e-9))
    for axes, title in ((above, "measures"), (below, "squared error")):
        axes.fill_between(
            at,
            0,
            1,
            where=np.maximum.reduceat(truth, at),
            transform=axes.get_xaxis_transform(),
            color="0.88",
            zorder=0,
            linewidth=0,
            step="mid",
        )
        axes.set_ylabel(title, fontsize=FONT)
        axes.tick_params(labelsize=FONT, width=0.5, length=2)
        axes.minorticks_off()
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    below.set_xlabel("instant (shaded: anomalous; dotted: threshold)", fontsize=FONT)
    below.set_yticks([threshold], [f"{threshold:.3g}"])
    return figure
