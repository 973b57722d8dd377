"""How the runs of a sweep learnt: the validation error over the epochs, read from TensorBoard's event files."""

from typing import Any

import matplotlib
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aeexp.plots.palette import colour, marker
from aeexp.plots.style import COLUMN, DPI, FONT
from aeexp.report.figure import STYLE, bytes_of
from aeexp.runs.events import curve, read
from aeexp.runs.run import Run

TERM = "val/squared_error"
WIDE = 10.0  # times the smallest: from here on the axis is logarithmic


def learning_curves(title: str, runs: dict[str, list[Run]]) -> bytes | None:
    """PNG of a line for each run of each model, dashed where nothing was trained; None where there is nothing."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN, 2.6), dpi=DPI, layout="constrained")
        axes = figure.subplots()
        levels = [level for model, of_model in runs.items() for run in of_model for level in _draw(axes, model, run)]
        if not levels:
            return None
        axes.set(xlabel="epoch", ylabel=TERM, yscale="log" if max(levels) > WIDE * min(levels) else "linear")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_title(title, fontsize=FONT)
        axes.grid(alpha=0.25, linewidth=0.4)
        handles = {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=3, frameon=False)
        return bytes_of(figure, "png")


def _draw(axes: Axes, model: str, run: Run) -> list[float]:
    """The levels that were drawn; not 0, which only the raw pixels have, by definition. A damaged file has none."""
    try:
        values = curve(run.path, TERM)
        measured = {value.tag: value.simple_value for value in read(run.path, "measured")}
    except (OSError, DecodeError):
        return []
    look: dict[str, Any] = {"color": colour(model), "linewidth": 0.8, "label": model}
    if values:
        point = marker(model) if len(values) == 1 else ""  # a line needs two epochs
        axes.plot(range(1, len(values) + 1), values, alpha=0.7, marker=point, **look)
    elif measured.get(TERM):
        values = [measured[TERM]]
        axes.axhline(values[0], linestyle="--", **look)
    return values
