"""What the protocols draw."""

import torch
from matplotlib.figure import Figure
from torch import Tensor


def rows_of_images(rows: dict[str, Tensor], scale: float) -> Figure:
    """Named rows of images, each (n, C, H, W) in [0, scale], under one another."""
    n = max(len(images) for images in rows.values())
    figure = Figure(figsize=(0.62 * n + 1.1, 0.66 * len(rows)), dpi=150, layout="constrained")
    grid = figure.subplots(len(rows), n, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for line, (name, images) in zip(grid, rows.items(), strict=True):
        line[0].text(-0.15, 0.5, name, ha="right", va="center", fontsize=8, transform=line[0].transAxes)
        for axes, image in zip(line, images / scale, strict=False):
            pixels = torch.nan_to_num(image).clamp(0, 1).movedim(0, -1).squeeze(-1)
            axes.imshow(pixels.numpy(), cmap="gray", vmin=0, vmax=1)
    return figure
