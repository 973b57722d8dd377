"""A grid of examples: images or curves in cells, rows named, columns headed."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from aeexp.plots.style import COLUMN, DPI, FONT, GREY, INK, SMALL, Colour, width

CELL = 0.55  # inches: the widest cell
GAP = 0.04  # of a cell's width, around its example
SERIES = 0.7  # the height of a cell of anything but images, of its width
MANY = 12  # curves in a cell, beyond which a series is an image of its numbers, time to the right
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
    (n, ...) of anything else, all on one scale, but of more than MANY, (n, T, F), an image. One axes, in inches from
    the top left: of n columns, example j of row i is `axes.images[i * n + j]`, or the lines of that cell.
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


def frame(axes: Axes, cell: int) -> None:
    """A red frame around a cell of `grid`, counted in rows: an image, or the ground of curves."""
    if axes.images:
        left, right, bottom, top = axes.images[cell].get_extent()
    else:
        left, bottom, right, top = axes.collections[cell].get_paths()[0].get_extents().extents
    corner = (left, min(bottom, top))
    axes.add_patch(Rectangle(corner, right - left, abs(top - bottom), fill=False, color="tab:red", linewidth=1))


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
        many = example.dim() == 2 and example.shape[1] > MANY
        if example.dim() == 3 or many:
            pixels = as_pixels((example.T[None] if many else example) / self.scale)
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
