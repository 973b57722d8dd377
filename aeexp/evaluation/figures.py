"""The one look of all pictures: a paper's column wide, its small type, examples in cells, charts without ornaments."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from torch import Tensor

Colour = tuple[float, float, float]

COLUMN = 3.5  # inches
DPI = 200
FONT, SMALL = 7, 5.5  # points
GREY: Colour = (0.45, 0.45, 0.45)  # references
INK: Colour = (0.15, 0.15, 0.15)
DOT = 14.0  # square points, in a legend
CELL = 0.55  # inches: the widest cell
GAP = 0.04  # of a cell's width, around its example
SERIES = 0.7  # the height of a cell of anything but images, of its width
LINE = 0.11  # inches, of small type
EDGE = 0.03  # inches around the picture
BETWEEN = 0.08  # inches between blocks
BESIDE = 0.06  # inches between a name and its row


class Row(NamedTuple):
    """Examples (n, *shape) beside one another, the name before them, a caption under each, curves in `ink`."""

    name: str
    examples: Tensor
    captions: Sequence[str] = ()
    ink: Colour = INK


def rows_of_images(rows: dict[str, Tensor], scale: float) -> Figure:
    """Named rows of examples in [0, scale] under one another."""
    return grid([[Row(name, examples) for name, examples in rows.items()]], scale)


def grid(blocks: Sequence[Sequence[Row]], scale: float, heads: Sequence[str] = ()) -> Figure:
    """Rows under one another, blocks of them a little apart; the first head is over the names, the others over columns.

    Images (n, C, H, W) in [0, scale], as the mean of their channels where these are neither one nor three; curves
    (n, ...) of anything else, all on one scale. One axes, in inches from the top left: of n columns, example j of
    row i is `axes.images[i * n + j]`, or the lines of that cell.
    """
    rows = [row for block in blocks for row in block]
    n = max(len(row.examples) for row in rows)
    corner = width(heads[0], SMALL) if len(heads) > 1 else 0.0
    left = max(corner, *(width(row.name, FONT) for row in rows)) + EDGE + BESIDE
    side = min(CELL, (COLUMN - left - EDGE) / n)
    height = side * _ratio(rows[0].examples)
    places, bottom = _tops(blocks, height, 1.2 * LINE if heads else EDGE)
    size = (left + n * side + EDGE, bottom)
    figure = Figure(figsize=size, dpi=DPI)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0), autoscale_on=False)
    axes.set_axis_off()
    draw = Cells(axes, rows, scale, side, height)
    for column, head in enumerate(heads, -1):
        x, aligned = (EDGE, "left") if column < 0 else (left + (column + 0.5) * side, "center")
        axes.text(x, LINE, head, ha=aligned, va="baseline", fontsize=SMALL)
    for row, top in zip(rows, places, strict=True):
        axes.text(left - BESIDE, top + height / 2, row.name, ha="right", va="center", fontsize=FONT)
        for column, example in enumerate(row.examples):
            draw(example, left + column * side, top, row.ink)
        for column, caption in enumerate(row.captions):
            x, y = left + (column + 0.5) * side, top + height + 0.8 * LINE
            axes.text(x, y, caption, ha="center", va="baseline", fontsize=SMALL, color=GREY)
    return figure


class Cells:
    """Draws single examples into cells of one size, in inches."""

    def __init__(self, axes: Axes, rows: Sequence[Row], scale: float, side: float, height: float) -> None:
        self.axes, self.scale, self.side, self.height = axes, scale, side, height
        values = torch.cat([row.examples.flatten().nan_to_num() for row in rows])
        self.low, self.span = values.min().item(), max((values.max() - values.min()).item(), 1e-9)

    def __call__(self, example: Tensor, x: float, y: float, ink: Colour) -> None:
        """x, y: the cell's left and top"""
        gap = GAP * self.side
        left, right, top, bottom = x + gap, x + self.side - gap, y + gap, y + self.height - gap
        if example.dim() == 3:
            pixels = as_pixels(example / self.scale)
            self.axes.imshow(
                pixels.numpy(), cmap="gray", vmin=0, vmax=1, extent=(left, right, bottom, top), aspect="auto"
            )
            return
        curves = ((example.nan_to_num() - self.low) / self.span).reshape(len(example), -1)  # (T, F)
        self.axes.fill_between([left, right], top, bottom, color="0.96", linewidth=0)
        for curve in curves.unbind(1):
            t = torch.linspace(left, right, len(curve))
            self.axes.plot(t.numpy(), (bottom - (bottom - top) * curve).numpy(), linewidth=0.5, color=ink)


def as_pixels(image: Tensor) -> Tensor:
    """(C, H, W) -> what imshow draws, in [0, 1]: (H, W), or (H, W, 3)"""
    channels = image if len(image) in (1, 3) else image.mean(0, keepdim=True)
    return channels.nan_to_num().clamp(0, 1).movedim(0, -1).squeeze(-1)


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


def key(figure: Figure, axes: Axes) -> None:
    """What the colours of a chart stand for, under all charts; points as dots of one size, however small they are."""
    handles, labels = axes.get_legend_handles_labels()
    look = {"fontsize": SMALL, "frameon": False, "handletextpad": 0.1, "columnspacing": 0.8}
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=10, **look)
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([DOT])


def three(value: float) -> str:
    """Three significant digits, also where they are zeros; two where a caption has no room for three."""
    text = f"{value:#.3g}".rstrip(".")
    return (text if len(text) < 6 else f"{value:#.2g}").replace("-", "−")


def width(text: str, size: float) -> float:
    """Inches that a text of `size` points is wide, in its longest line."""
    font = FontProperties(size=size)
    lines = (TextPath((0, 0), line, prop=font) for line in text.splitlines() if line.strip())
    return max((1.08 * line.get_extents().width / 72 for line in lines), default=0.0)  # hinting makes it wider


def _ratio(examples: Tensor) -> float:
    return examples.shape[2] / examples.shape[3] if examples.dim() == 4 else SERIES


def _tops(blocks: Sequence[Sequence[Row]], height: float, start: float) -> tuple[list[float], float]:
    """Where each row begins, and where the picture ends, inches from the top."""
    tops, y = [], start
    for block in blocks:
        for row in block:
            tops.append(y)
            y += height + (1.2 * LINE if row.captions else 0)
        y += BETWEEN
    return tops, y - BETWEEN + EDGE
