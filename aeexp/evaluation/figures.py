"""What the protocols draw."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor


def rows_of_images(rows: dict[str, Tensor], scale: float) -> Figure:
    """Named rows of examples in [0, scale] under one another: images (n, C, H, W), or curves (n, ...) of anything else.

    Images of neither one channel nor three are shown as the mean of their channels.
    """
    n = max(len(images) for images in rows.values())
    figure = Figure(figsize=(0.62 * n + 1.1, 0.66 * len(rows)), dpi=150, layout="constrained")
    grid = figure.subplots(len(rows), n, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for line, (name, images) in zip(grid, rows.items(), strict=True):
        line[0].text(-0.15, 0.5, name, ha="right", va="center", fontsize=8, transform=line[0].transAxes)
        for axes, example in zip(line, torch.nan_to_num(images / scale), strict=False):
            _draw(axes, example)
    return figure


def _draw(axes: Axes, example: Tensor) -> None:
    if example.dim() == 3:
        channels = example if len(example) in (1, 3) else example.mean(0, keepdim=True)
        axes.imshow(channels.clamp(0, 1).movedim(0, -1).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=1)
    else:
        axes.plot(example.reshape(len(example), -1).numpy(), linewidth=0.5)
        axes.set_ylim(0, 1)
