"""Curves over the columns' key, a line for each row, with bands of one deviation."""

import io

import pandas as pd
from matplotlib.figure import Figure

from aeexp.report.table import Spec


def curves(stats: pd.DataFrame, spec: Spec, extra: list[str], kind: str) -> bytes:
    """The file of a figure, as `kind` (png, pdf): a panel for each metric; baselines dashed."""
    x_key, rows = spec.columns[0], [*spec.rows, *extra]
    metrics = [metric for metric in spec.metrics if (stats["metric"] == metric.name).any()]
    figure = Figure(figsize=(5.2 * len(metrics), 3.9), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    names = sorted({" ".join(line) for line in stats[rows].astype(str).itertuples(index=False)}, key=_rank(spec))
    for axes, metric in zip(panels, metrics, strict=True):
        for number, name in enumerate(names):
            mine = stats[(stats["metric"] == metric.name) & (stats[rows].astype(str).agg(" ".join, axis=1) == name)]
            line = mine.assign(x=mine[x_key].astype(float)).sort_values("x")
            mean, std = line["mean"] * metric.factor, line["std"].fillna(0) * metric.factor
            baseline = name.split()[0] in spec.baselines
            style = {"linestyle": "--", "color": f"{0.2 + 0.15 * (number % 4)}"} if baseline else {"color": f"C{number % 10}"}
            axes.plot(line["x"], mean, marker="o", markersize=3.5, linewidth=1.4, label=name, **style)
            axes.fill_between(line["x"], mean - std, mean + std, alpha=0.18, color=style["color"], linewidth=0)
        ticks = sorted(stats[x_key].astype(float).unique())
        axes.set(xscale="log", xlabel=x_key, ylabel=metric.title)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.25)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", fontsize=8, frameon=False)
    figure.suptitle(spec.title, fontsize=10)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind)
    return buffer.getvalue()


def _rank(spec: Spec):  # type: ignore[no-untyped-def]
    order = spec.order.get(spec.rows[0], []) if spec.rows else []
    return lambda name: (order.index(name.split()[0]) if name.split()[0] in order else len(order), name)
