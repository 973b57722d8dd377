"""A table as CSV, the wide form for a spreadsheet and the tidy form for a program."""

import csv
import io
import math
from dataclasses import replace
from typing import Any

from aeexp.report import escape
from aeexp.report.cells import Cell, cells
from aeexp.report.collect import FACTS, Row
from aeexp.report.spec import Spec
from aeexp.report.table import ordered


def wide_csv(rows: list[Row], spec: Spec) -> str:
    """A row for each combination of the keys; mean, std and n of each metric, in its own units."""
    found = [cells(rows, spec, replace(metric, factor=1.0)) for metric in spec.metrics]
    header = [*spec.keys, *(f"{metric.name} {part}" for metric in spec.metrics for part in ("mean", "std", "n"))]
    lines = []
    for line in ordered(rows, spec.keys, spec):
        place = line[: len(spec.rows)], line[len(spec.rows) :]
        numbers = [x for each in found for cell in [each.get(place, Cell())] for x in (cell.mean, cell.std, cell.n)]
        lines.append([*line, *("" if math.isnan(x) else x for x in numbers)])
    return _csv([header, *lines])


def tidy_csv(rows: list[Row], keys: list[str]) -> str:
    """A row a run and metric: the keys, then seed, run, state, error, metric, value."""
    names = [*(key for key in keys if key not in FACTS), *FACTS]
    return _csv([names, *([row[name] for name in names] for row in rows)])


def _csv(lines: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([escape.csv(cell) for cell in line] for line in lines)
    return text.getvalue()
