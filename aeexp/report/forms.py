"""The forms of a table: Markdown, LaTeX, CSV."""

import csv
import io
import math
from dataclasses import replace
from typing import Any

from tabulate import tabulate

from aeexp.report.cells import Cell, cells
from aeexp.report.collect import FACTS, Row
from aeexp.report.spec import Spec
from aeexp.report.table import Table, footnotes, ordered

MARKS = {
    **{character: f"\\{character}" for character in "_%#&${}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "—": "--",
}
SIZES = {57: r"\normalsize", 67: r"\small", 75: r"\footnotesize"}  # characters on a line of an article


def markdown(title: str, tables: list[Table], notes: list[str]) -> str:
    """A section, a table a metric, and the notes below them."""
    parts = [f"## {title}"]
    for table in tables:
        bold = [
            [f"**{text}**" if (n, m) in table.best else text for m, text in enumerate(row)]
            for n, row in enumerate(table.body)
        ]
        rows = [[text.replace("|", r"\|") for text in row] for row in bold]
        shown = tabulate(rows, table.header, tablefmt="github", disable_numparse=True)
        parts.append(f"**{table.title}** (mean ± standard deviation (n seeds))\n\n{shown}")
    return "\n\n".join([*parts, *notes]) + "\n"


def latex(title: str, tables: list[Table], notes: list[str]) -> str:
    r"""One table a metric, to \input; it needs \usepackage{booktabs}."""
    parts = []
    for table in tables:
        bold = [
            [rf"\textbf{{{tex(text)}}}" if (n, m) in table.best else tex(text) for m, text in enumerate(row)]
            for n, row in enumerate(table.body)
        ]
        names = [tex(name).replace(", ", r", \\") for name in table.header]
        header = [rf"\shortstack[l]{{{name}}}" for name in names]
        lines = [" & ".join(row) + r" \\" for row in [header, *bold]]
        remarks = [rf"\par\smallskip\footnotesize {tex(note)}" for note in [*footnotes([table]), *notes]]
        parts += [
            r"\begin{table}[ht]",
            r"\centering",
            rf"\caption{{{tex(title)}: {tex(table.title)}, mean $\pm$ standard deviation (n seeds)}}",
            rf"{_size(table)}\setlength{{\tabcolsep}}{{2pt}}",
            rf"\begin{{tabular}}{{{'l' * len(table.header)}}}",
            *[r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"],
            *[r"\end{tabular}", *remarks, r"\end{table}", ""],
        ]
    return "\n".join(parts)


def _size(table: Table) -> str:
    """The largest type in which the table fits, as far as characters tell; no smaller one than can be read."""
    columns = zip(*([max(name.split(", "), key=len) for name in table.header], *table.body), strict=True)
    width = sum(max(map(len, column)) for column in columns)
    return next((size for most, size in SIZES.items() if width <= most), r"\scriptsize")


def tex(text: str) -> str:
    return "".join(MARKS.get(character, character) for character in text)


def wide_csv(rows: list[Row], spec: Spec) -> str:
    """A row for each combination of the keys; mean, std and n of each metric, in its own units."""
    found = [cells(rows, spec, replace(metric, factor=1.0)) for metric in spec.metrics]
    header = [*spec.keys, *(f"{metric.name} {part}" for metric in spec.metrics for part in ("mean", "std", "n"))]
    lines = []
    for line in ordered(rows, spec.keys, spec):
        place = line[: len(spec.rows)], line[len(spec.rows) :]
        mine = [each.get(place, Cell()) for each in found]
        numbers = [x for cell in mine for x in (cell.mean, cell.std, cell.n)]
        lines.append([*line, *("" if math.isnan(x) else x for x in numbers)])
    return _csv([header, *lines])


def tidy_csv(rows: list[Row], keys: list[str]) -> str:
    """A row a run and metric: the keys, then seed, run, state, error, metric, value."""
    names = [*(key for key in keys if key not in FACTS), *FACTS]
    return _csv([names, *([row[name] for name in names] for row in rows)])


def _csv(lines: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
