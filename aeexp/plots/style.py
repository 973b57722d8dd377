"""The style of all pictures: a paper's column wide, its small type, charts without ornaments. Needs no torch."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from aeexp.plots.palette import Colour

COLUMN = 3.5  # inches
DPI = 200
FONT, SMALL = 7, 5.5  # points
GREY: Colour = (0.45, 0.45, 0.45)  # references
INK: Colour = (0.15, 0.15, 0.15)
BESIDE_NAME = 0.22  # inches that a legend needs beside a name
DOT = 14.0  # square points, in a legend


def charts(titles: Sequence[str], height: float) -> tuple[Figure, list[Axes]]:
    """Empty charts beside one another, `height` inches high, a column wide together."""
    figure = Figure(figsize=(COLUMN, height), dpi=DPI, layout="constrained")
    axes: list[Axes] = figure.subplots(1, len(titles), squeeze=False)[0].tolist()
    for each, title in zip(axes, titles, strict=True):
        each.set_title(title, fontsize=FONT)
        each.tick_params(labelsize=FONT, width=0.5, length=2)
        each.xaxis.label.set_fontsize(FONT)
        each.yaxis.label.set_fontsize(FONT)
        for side in ("top", "right"):
            each.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            each.spines[side].set_linewidth(0.5)
    return figure, axes


def legend(figure: Figure, axes: Axes) -> None:
    """What the colours of a chart stand for, under all charts; points as dots of one size, however small they are."""
    handles, labels = axes.get_legend_handles_labels()
    look = {"fontsize": SMALL, "frameon": False, "handletextpad": 0.1, "columnspacing": 0.8}
    widest = max(width(label, SMALL) for label in labels) + BESIDE_NAME
    fitting = min(len(labels), 10, max(1, int(COLUMN / widest)))
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=fitting, **look)
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([DOT])


def three_digits(value: float) -> str:
    """Three significant digits, also where they are zeros; two where a caption has no room for three."""
    text = f"{value:#.3g}".rstrip(".")
    return (text if len(text) < 6 else f"{value:#.2g}").replace("-", "−")


def width(text: str, size: float) -> float:
    """Inches that a text of `size` points is wide, in its longest line."""
    font = FontProperties(size=size)
    lines = (TextPath((0, 0), line, prop=font) for line in text.splitlines() if line.strip())
    return max((1.08 * line.get_extents().width / 72 for line in lines), default=0.0)  # hinting makes it wider
