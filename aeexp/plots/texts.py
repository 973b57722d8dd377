"""A page of texts: named lines, blocks of them a little apart."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from aeexp.plots.style import COLUMN, DPI, SMALL, width

LINE = 0.11  # inches, of small type
EDGE = 0.03  # inches around the page
BETWEEN = 0.06  # inches between blocks
WIDEST = 66  # characters of a line, of which a longer text shows the first


def page(blocks: Sequence[Sequence[tuple[str, str]]]) -> Figure:
    """Blocks of lines (name, text); a text that is no longer than WIDEST is shown as a whole."""
    lines = [line for block in blocks for line in block]
    left = max(width(name, SMALL) for name, _ in lines) + 2 * EDGE
    shown = [text if len(text) <= WIDEST else text[: WIDEST - 1] + "…" for _, text in lines]
    height = len(lines) * LINE + (len(blocks) - 1) * BETWEEN + 2 * EDGE
    wide = max(COLUMN, left + max(len(text) for text in shown) * 0.6 * SMALL / 72 + 2 * EDGE)
    figure = Figure(figsize=(wide, height), dpi=DPI)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, wide), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    top = EDGE
    texts = iter(shown)
    for block in blocks:
        for name, _ in block:
            for x, text, family in ((left - EDGE, name, "sans-serif"), (left, next(texts), "monospace")):
                look: dict[str, Any] = {"ha": "left" if x == left else "right", "family": family}
                axes.text(x, top + LINE / 2, text, va="center", fontsize=SMALL, parse_math=False, **look)
            top += LINE
        top += BETWEEN
    return figure
