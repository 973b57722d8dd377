r"""A table as LaTeX, to be pasted or \input; it needs \usepackage{booktabs} and nothing else.

A number is right-aligned and has a fixed number of decimals, its deviation stands left-aligned beside it: the decimal
points of a column lie below one another without another package.
"""

from itertools import groupby

from aeexp.report.cells import ALONE, Cell
from aeexp.report.escape import latex as tex
from aeexp.report.table import PUBLISHED, Column, Table, footnotes

SIZES = {57: r"\normalsize", 67: r"\small", 75: r"\footnotesize"}  # characters on a line of an article
BREAK = r"\\"
OURS = 2  # columns of the tabular for a mean and its deviation


def latex(title: str, tables: list[Table], notes: list[str]) -> str:
    """A float for each metric."""
    return "\n".join(["% needs \\usepackage{booktabs}", *(_float(title, table, notes) for table in tables)])


def _float(title: str, table: Table, notes: list[str]) -> str:
    body = [" & ".join(row) + r" \\" for row in _rows(table)]
    remarks = [rf"\par\smallskip\footnotesize\raggedright {tex(note)}" for note in [*footnotes([table]), *notes]]
    return "\n".join(
        [
            r"\begin{table}[ht]",
            r"\centering",
            rf"\caption{{{tex(title)}: {tex(table.title)}, mean $\pm$ standard deviation {_seeds(table)}.}}",
            rf"{_size(table)}\setlength{{\tabcolsep}}{{3pt}}",
            rf"\begin{{tabular}}{{{'l' * len(table.row_keys)}{''.join(map(_alignment, table.columns))}}}",
            *[r"\toprule", *_header(table), r"\midrule", *body, r"\bottomrule"],
            *[r"\end{tabular}", *remarks, r"\end{table}", ""],
        ]
    )


def _seeds(table: Table) -> str:
    """Once where all cells have as many seeds."""
    return f"over $n = {min(table.seeds)}$ seeds" if len(table.seeds) == 1 else "($n$ seeds)"


def _alignment(column: Column) -> str:
    return r"r@{\,}l" + "rrl" * any(column.published)


def _width(column: Column) -> int:
    return OURS + len(PUBLISHED) * any(column.published)


def _header(table: Table) -> list[str]:
    """Spanning names of the columns' keys, their values, and the names of the columns that show published values."""
    keys = [tex(key) for key in table.row_keys]
    lines = []
    for n, key in enumerate(table.column_keys):
        lines.append(_spans(table, n, [key] * len(table.columns)))
        lines.append(_spans(table, n + 1, [column.values[n] for column in table.columns]))
    if not lines or any(any(column.published) for column in table.columns):
        ours = rf"\multicolumn{{{OURS}}}{{c}}{{{'ours' if lines else 'mean'}}}"
        names = [[ours, *map(tex, PUBLISHED)] if any(c.published) else [ours] for c in table.columns]
        lines.append(" & ".join([*[""] * len(keys), *(name for group in names for name in group)]) + r" \\")
    *above, last = lines
    last = last.partition(BREAK)[0] + BREAK  # the rule below the header is enough for it
    return [*above, " & ".join(keys) + last.removeprefix(" & " * (len(keys) - 1))]


def _spans(table: Table, depth: int, names: list[str]) -> str:
    """A line of names, each over the neighbouring columns whose first `depth` values are the same, and a rule below."""
    cells, rules, first = [""] * len(table.row_keys), [], len(table.row_keys) + 1
    for _, group in groupby(zip(table.columns, names, strict=True), key=lambda pair: pair[0].values[:depth]):
        columns, (name, *_) = zip(*group, strict=True)
        width = sum(map(_width, columns))
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{tex(name)}}}")
        rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
        first += width
    return " & ".join(cells) + rf" {BREAK} " + " ".join(rules)


def _rows(table: Table) -> list[list[str]]:
    once, digits = len(table.seeds) == 1, table.metric.digits
    rows = [[tex(value) for value in line] for line in table.lines]
    for column in table.columns:
        beside: list[tuple[str, ...]] = [*column.beside(digits)] or [()] * len(rows)
        for n, (row, cell, texts) in enumerate(zip(rows, column.cells, beside, strict=True)):
            row += [*_ours(cell, digits, n in column.best, once), *(tex(text.replace("-", "−")) for text in texts)]
    return rows


def _ours(cell: Cell, digits: int, bold: bool, once: bool) -> list[str]:
    """The mean and its deviation, or a word across both."""
    if not cell.n:
        return [rf"\multicolumn{{{OURS}}}{{c}}{{{tex(cell.text(digits))}}}"]
    mean = tex(f"{cell.mean:.{digits}f}".replace("-", "−"))
    deviation = rf"$\pm$ {cell.std:.{digits}f}" if cell.n > 1 else tex(ALONE)
    seeds = "" if once else f" ({cell.n})"
    lost = f", {cell.losses}" if cell.lost else ""
    return [rf"\textbf{{{mean}}}" if bold else mean, f"{deviation}{seeds}{lost}"]


def _size(table: Table) -> str:
    """The largest type in which the table fits, as far as characters tell; no smaller one than can be read."""
    columns = zip(*([max(name.split(", "), key=len) for name in table.header], *table.body), strict=True)
    width = sum(max(map(len, column)) for column in columns)
    return next((size for most, size in SIZES.items() if width <= most), r"\scriptsize")
