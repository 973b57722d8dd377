"""The pictures of a table, as wide as a paper's column, as PNG and PDF."""

import io
import textwrap
from collections.abc import Sequence
from math import log10
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from aeexp.plots.palette import MARKERS, colour, line_style, marker
from aeexp.plots.style import COLUMN, DPI, FONT, width
from aeexp.report.cells import Cell, Line, cells
from aeexp.report.collect import Row
from aeexp.report.spec import Metric, Spec
from aeexp.report.table import number, ordered

STYLE: Any = {"font.size": FONT, "axes.linewidth": 0.6, "lines.linewidth": 1.1, "lines.markersize": 3.5}
STYLE |= {"pdf.fonttype": 42, "legend.handlelength": 3.2}
GREYS = ("0.15", "0.4", "0.6")
WIDE = 20.0  # times the smallest: from here on an axis is logarithmic
PANEL = 0.8  # of the picture's width, that an axis has
ROOM = 0.06  # inches between the labels of two ticks


def pictures_of(rows: list[Row], spec: Spec) -> dict[str, bytes]:
    """File name to content, for each picture that the table asks for."""
    with matplotlib.rc_context(STYLE):
        figures = {}
        if spec.curve and spec.columns:
            figures["table"] = curves(rows, spec)
        if spec.pareto:
            figures["pareto"] = pareto(rows, spec)
        return {f"{name}.{form}": bytes_of(figure, form) for name, figure in figures.items() for form in ("png", "pdf")}


def curves(rows: list[Row], spec: Spec) -> Figure:
    """A panel for each metric but facts of the training over the first of the columns' keys, bands of one deviation."""
    metrics = [metric for metric in spec.metrics if not metric.name.startswith("training/")]
    lines, looks = ordered(rows, spec.rows, spec), styles(rows, spec)
    figure, panels = _panels(len(metrics), height=2.0)
    sizes: set[float] = set()
    for axes, metric in zip(panels, metrics, strict=True):
        found, shown = cells(rows, spec, metric), []
        for line in lines:
            points = [(number(column[0]), cell) for (row, column), cell in found.items() if row == line and cell.finite]
            curve = sorted(((x, cell) for x, cell in points if x is not None), key=lambda point: point[0])
            if not curve:
                continue
            x, mean = [x for x, _ in curve], [cell.mean for _, cell in curve]
            axes.plot(x, mean, label=" ".join(line), **looks[line])
            low, high = zip(*((cell.mean - _spread(cell), cell.mean + _spread(cell)) for _, cell in curve), strict=True)
            axes.fill_between(x, low, high, alpha=0.2, color=looks[line]["color"], linewidth=0)
            sizes |= set(x)
            shown += mean if line[0] not in metric.unranked else []
        axes.set(xscale=_scale([*sizes], 2.0), yscale=_scale(shown), xlabel=spec.columns[0])
        axes.set_title(_folded(metric.title), fontsize=FONT)
        _plain(axes.yaxis)
    for axes in panels:
        ticks = spaced(sorted(sizes), axes.get_xscale())
        axes.set_xticks(sorted(sizes), [f"{size:g}" if size in ticks else "" for size in sorted(sizes)])
        axes.xaxis.set_minor_locator(NullLocator())
    _legend(figure, panels[0])
    return figure


def pareto(rows: list[Row], spec: Spec) -> Figure:
    """Two metrics against each other: a point for each configuration, with one deviation, and the front of the means.

    What is best by definition in one of the two is not drawn.
    """
    x, y = (next(metric for metric in spec.metrics if metric.name == name) for name in spec.pareto)
    across, along, looks = cells(rows, spec, x), cells(rows, spec, y), styles(rows, spec)
    unranked = {*x.unranked, *y.unranked}
    drawn = {
        place: (across[place], along[place])
        for place in across.keys() & along.keys()
        if across[place].finite and along[place].finite and place[0][0] not in unranked
    }
    figure, (axes,) = _panels(1, height=2.7)
    columns = ordered(rows, spec.columns, spec)
    for line in ordered(rows, spec.rows, spec):
        places = [(size, *drawn[line, column]) for size, column in enumerate(columns) if (line, column) in drawn]
        look = {**looks[line], "linestyle": "none", "markeredgewidth": 0, "elinewidth": 0.6}
        for n, (size, a, b) in enumerate(places):
            label = " ".join(line) if n == len(places) // 2 else None
            look["markersize"] = 2.5 + 0.7 * size
            axes.errorbar(a.mean, b.mean, _spread(b), _spread(a), label=label, **look)
    means = [(a.mean, b.mean) for a, b in drawn.values()]
    if x.better and y.better:
        steps = "steps-post" if x.better == "lower" else "steps-pre"
        axes.plot(*zip(*front(means, x, y), strict=True), "k:", drawstyle=steps, linewidth=0.9, label="front")
    axes.set(xscale=_scale([a for a, _ in means]), yscale=_scale([b for _, b in means]))
    _plain(axes.xaxis)
    _plain(axes.yaxis)
    axes.set_xlabel(_folded(x.title))
    axes.set_ylabel(_folded(y.title, 36))
    if len(columns) > 1:
        axes.set_title(f"larger: larger {', '.join(spec.columns)}", fontsize=FONT)
    _legend(figure, axes)
    return figure


def front(points: list[tuple[float, float]], x: Metric, y: Metric) -> list[tuple[float, float]]:
    """The points than which no other is better in one metric and as good in the other, from left to right."""
    signs = [1 if metric.better == "lower" else -1 for metric in (x, y)]

    def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one != other and all(sign * a <= sign * b for sign, a, b in zip(signs, one, other, strict=True))

    return sorted(point for point in set(points) if not any(beats(other, point) for other in points))


def styles(rows: list[Row], spec: Spec) -> dict[Line, dict[str, Any]]:
    """A model has its colour, marker and line style; baselines are grey; lines of one model differ by their markers."""
    looks: dict[Line, dict[str, Any]] = {}
    for line in ordered(rows, spec.rows, spec):
        model = line[0]
        like = sum(other[0] == model for other in looks)
        own = MARKERS[(MARKERS.index(marker(model)) + like) % len(MARKERS)]
        shade: Any = colour(model)
        if model in spec.baselines:
            shade = GREYS[spec.baselines.index(model) % len(GREYS)]
        looks[line] = {"color": shade, "linestyle": line_style(model), "marker": own}
    return looks


def spaced(values: Sequence[float], scale: str) -> list[float]:
    """Those of the sorted values whose labels do not overlap on an axis that the values fill, the ends first."""
    places = [log10(value) if scale == "log" else value for value in values]
    length = (places[-1] - places[0]) or 1.0
    spots = [PANEL * COLUMN * (place - places[0]) / length for place in places]
    halves = [width(f"{value:g}", FONT) / 2 for value in values]
    kept: list[int] = []
    for n in dict.fromkeys([0, len(values) - 1, *range(len(values))]):
        if all(abs(spots[n] - spots[m]) > halves[n] + halves[m] + ROOM for m in kept):
            kept.append(n)
    return [values[n] for n in sorted(kept)]


def _panels(n: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(COLUMN, n * height + 0.6), dpi=DPI, layout="constrained")
    panels = list(figure.subplots(n, 1, squeeze=False)[:, 0])
    for axes in panels:
        axes.grid(alpha=0.25, linewidth=0.4)
    return figure, panels


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, columnspacing=1.2)


def _folded(title: str, characters: int = 56) -> str:
    return textwrap.fill(title, characters)


def _spread(cell: Cell) -> float:
    """One deviation; nothing for one seed."""
    return cell.std if cell.n > 1 else 0.0


def _scale(values: list[float], wide: float = WIDE) -> str:
    return "log" if values and min(values) > 0 and max(values) > wide * min(values) else "linear"


def _plain(axis: Axis) -> None:
    """A logarithmic axis has ticks at 1, 2 and 5 times the powers of ten, with plain numbers."""
    if axis.get_scale() == "log":
        low, high = sorted(axis.get_view_interval())
        subs = (1.0, 2.0, 5.0) if high / low < 1e3 else (1.0,)
        axis.set_major_locator(LogLocator(subs=subs, numticks=20))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def bytes_of(figure: Figure, form: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, metadata={"CreationDate": None} if form == "pdf" else None)
    return buffer.getvalue()
