"""The pictures of a table, as wide as a paper's column, as PNG and PDF."""

import io
import textwrap
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aeexp.plots.palette import colour
from aeexp.report.cells import Cell, Line, cells
from aeexp.report.collect import Row
from aeexp.report.spec import Metric, Spec
from aeexp.report.table import number, ordered

WIDTH = 3.5  # inches
FONT: Any = {"font.size": 7, "axes.linewidth": 0.6, "lines.linewidth": 1.1, "lines.markersize": 3, "pdf.fonttype": 42}
GREYS, DASHES = ("0.15", "0.4", "0.6"), ("--", "-.", ":")
MARKERS = "osD^vP*X"
WIDE = 20.0  # times the smallest: from here on an axis is logarithmic


def pictures_of(rows: list[Row], spec: Spec) -> dict[str, bytes]:
    """File name to content, for each picture that the table asks for."""
    with matplotlib.rc_context(FONT):
        figures = {}
        if spec.curve and spec.columns:
            figures["table"] = curves(rows, spec)
        if spec.pareto:
            figures["pareto"] = pareto(rows, spec)
        return {f"{name}.{form}": bytes_of(figure, form) for name, figure in figures.items() for form in ("png", "pdf")}


def curves(rows: list[Row], spec: Spec) -> Figure:
    """A panel for each metric over the first of the columns' keys, with bands of one deviation."""
    lines, looks = ordered(rows, spec.rows, spec), styles(rows, spec)
    figure, panels = _panels(len(spec.metrics), height=2.0)
    sizes: set[float] = set()
    for axes, metric in zip(panels, spec.metrics, strict=True):
        found, shown = cells(rows, spec, metric), []
        for line in lines:
            points = [(number(column[0]), cell) for (row, column), cell in found.items() if row == line and cell.finite]
            mine = sorted(((x, cell) for x, cell in points if x is not None), key=lambda point: point[0])
            if not mine:
                continue
            x, mean = [x for x, _ in mine], [cell.mean for _, cell in mine]
            axes.plot(x, mean, label=" ".join(line), **looks[line])
            low, high = zip(*((cell.mean - _spread(cell), cell.mean + _spread(cell)) for _, cell in mine), strict=True)
            axes.fill_between(x, low, high, alpha=0.2, color=looks[line]["color"], linewidth=0)
            sizes |= set(x)
            shown += mean if line[0] not in metric.unranked else []
        axes.set(xscale="log", yscale=_scale(shown), xlabel=spec.columns[0])
        axes.set_title(_folded(metric.title), fontsize=7)
    for axes in panels:
        axes.set_xticks(sorted(sizes), [f"{size:g}" for size in sorted(sizes)])
        axes.tick_params(axis="x", which="minor", bottom=False)
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
        mine = [(size, *drawn[line, column]) for size, column in enumerate(columns) if (line, column) in drawn]
        look = {**looks[line], "linestyle": "none", "markeredgewidth": 0, "elinewidth": 0.6}
        for n, (size, a, b) in enumerate(mine):
            label = " ".join(line) if n == len(mine) // 2 else None
            look["markersize"] = 2.5 + 0.7 * size
            axes.errorbar(a.mean, b.mean, _spread(b), _spread(a), label=label, **look)
    means = [(a.mean, b.mean) for a, b in drawn.values()]
    if x.better and y.better:
        steps = "steps-post" if x.better == "lower" else "steps-pre"
        axes.plot(*zip(*front(means, x, y), strict=True), "k:", drawstyle=steps, linewidth=0.9, label="front")
    axes.set(xscale=_scale([a for a, _ in means]), yscale=_scale([b for _, b in means]))
    axes.set_xlabel(_folded(x.title))
    axes.set_ylabel(_folded(y.title, 36))
    if len(columns) > 1:
        axes.set_title(f"larger: larger {', '.join(spec.columns)}", fontsize=7)
    _legend(figure, axes)
    return figure


def front(points: list[tuple[float, float]], x: Metric, y: Metric) -> list[tuple[float, float]]:
    """The points than which no other is better in one metric and as good in the other, from left to right."""
    signs = [1 if metric.better == "lower" else -1 for metric in (x, y)]

    def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one != other and all(sign * a <= sign * b for sign, a, b in zip(signs, one, other, strict=True))

    return sorted(point for point in set(points) if not any(beats(other, point) for other in points))


def styles(rows: list[Row], spec: Spec) -> dict[Line, dict[str, Any]]:
    """A model has its colour; baselines are grey; lines of one model differ by their markers."""
    lines = ordered(rows, spec.rows, spec)
    looks: dict[Line, dict[str, Any]] = {}
    for line in lines:
        like = sum(other[0] == line[0] for other in looks)
        marker = MARKERS[like % len(MARKERS)]
        if line[0] not in spec.baselines:
            looks[line] = {"color": colour(line[0]), "linestyle": "-", "marker": marker}
        else:
            number = spec.baselines.index(line[0])
            looks[line] = {"color": GREYS[number % 3], "linestyle": DASHES[number % 3], "marker": marker}
    return looks


def _panels(n: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH, n * height + 0.6), dpi=250, layout="constrained")
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


def _scale(values: list[float]) -> str:
    return "log" if values and min(values) > 0 and max(values) > WIDE * min(values) else "linear"


def bytes_of(figure: Figure, form: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, metadata={"CreationDate": None} if form == "pdf" else None)
    return buffer.getvalue()
