"""A table as Markdown, which is also what a terminal shows."""

from tabulate import tabulate

from aeexp.report import escape
from aeexp.report.table import Table


def markdown(title: str, tables: list[Table], notes: list[str]) -> str:
    """A section, a table a metric, and the notes below them."""
    parts = [f"## {escape.markdown(title)}"]
    for table in tables:
        rows = [
            [f"**{text}**" if (n, m) in table.best else escape.markdown(text) for m, text in enumerate(row)]
            for n, row in enumerate(table.body)
        ]
        header = [escape.markdown(name) for name in table.header]
        shown = tabulate(rows, header, tablefmt="github", disable_numparse=True)
        parts.append(f"**{escape.markdown(table.title)}** (mean ± standard deviation (n seeds))\n\n{shown}")
    return "\n\n".join([*parts, *map(escape.markdown, notes)]) + "\n"
