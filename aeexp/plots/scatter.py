"""Scatter plots of codes in a plane, each point in the colour of its class."""

from collections.abc import Callable
from typing import NamedTuple

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from aeexp.plots.palette import colour
from aeexp.plots.style import charts, legend

DISTINCT = 10  # classes that have colours of their own in a palette; more lie along a rainbow
NAMED = 40  # classes that have room in a legend


class Projection(NamedTuple):
    title: str
    points: Tensor  # (N, 2)
    axes: list[str]  # names of the two; empty where their values mean nothing


def scatter(projections: list[Projection], y: Tensor, model: str, class_name: Callable[[int], str] = str) -> Figure:
    """A chart a projection of the same examples, whose labels are y (N,); the unlabelled are in the model's colour."""
    figure, charted = charts([projection.title for projection in projections], 2.2)
    for axes, (_, points, names) in zip(charted, projections, strict=True):
        axes.set(xlabel=names[0], ylabel=names[1]) if names else axes.set(xticks=[], yticks=[])
        draw(axes, points, y, model, class_name)
    if len(y.unique()) <= NAMED and (y >= 0).any():
        legend(figure, charted[0])
    return figure


def draw(axes: Axes, points: Tensor, y: Tensor, model: str, class_name: Callable[[int], str]) -> None:
    """Points (N, 2), a collection of them for each class in y (N,), in the order of the classes."""
    classes = y.unique().tolist()
    own = colormaps["tab10" if max(classes) < DISTINCT else "turbo"].resampled(max(DISTINCT, max(classes) + 1))
    size = min(12.0, max(2.0, 2000 / len(y)))  # square points
    for label in classes:
        name, ink = (class_name(label), own(label)) if label >= 0 else ("unlabelled", colour(model))
        across, up = points[y == label].T
        axes.scatter(across, up, s=size, linewidths=0, alpha=0.7, color=ink, label=name)
