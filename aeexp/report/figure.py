"""Curves over the columns' key, a line for each row, with bands of one deviation."""

import io

import pandas as pd
from matplotlib.figure import Figure

from aeexp.report.table import Spec, ordered

COLOURS = [f"C{n}" for n in range(10) if n != 7]  # the seventh is grey, as the baselines are


def curves(stats: pd.DataFrame, spec: Spec, extra: list[str]) -> bytes:
    """A PNG: a panel for each metric; baselines dashed and grey."""
    x_key, rows = spec.columns[0], [*spec.rows, *extra]
    lines = ordered(stats, rows, spec)
    names = stats[rows].astype(str).agg(tuple, axis=1)
    measured = [metric for metric in spec.metrics if (stats["metric"] == metric.name).any()]
    figure = Figure(figsize=(4.2 * len(measured) + 1.6, 3.9), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(measured), squeeze=False)[0]
    for axes, metric in zip(panels, measured, strict=True):
        for number, line in enumerate(lines):
            mine = stats[(stats["metric"] == metric.name) & (names == line)]
            mine = mine.assign(x=mine[x_key].astype(float)).sort_values("x")
            mean, std = mine["mean"] * metric.factor, mine["std"].fillna(0) * metric.factor
            style, color = (
                ("--", f"{0.15 + 0.2 * number:.2f}")
                if line[0] in spec.baselines
                else ("-", COLOURS[number % len(COLOURS)])
            )
            axes.plot(
                mine["x"], mean, style, marker="o", markersize=3.5, linewidth=1.4, color=color, label=" ".join(line)
            )
            axes.fill_between(mine["x"], mean - std, mean + std, alpha=0.18, color=color, linewidth=0)
        ticks = sorted(stats[x_key].astype(float).unique())
        axes.set(xscale="log", xlabel=x_key)
        axes.set_title(metric.title, fontsize=8)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.25)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", fontsize=8, frameon=False)
    figure.suptitle(spec.title, fontsize=10)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
