"""A sweep as one page that needs nothing but itself: its table, its curves, and the pictures of its runs side by side.

Every picture is inside, so that the file can be sent; it is of the first seed alone, and small. A picture that is
clicked is shown as large as it is kept.
"""

import json
from html import escape
from pathlib import Path
from string import Template

from aeexp.report.learning import learning_curves
from aeexp.report.sweep import Report
from aeexp.report.table import Table, footnotes
from aeexp.report.thumbnails import SeedGroup, seed_groups, thumbnail, uri, width_of
from aeexp.runs.run import Run, find

FILTERED = 40  # values at most of a key that can be chosen by
PAGE = Template((Path(__file__).parent / "page.html").read_text())


def page(report: Report) -> str:
    runs = {run.path.name: run for run in find(report.folder)}
    pages = seed_groups(report.rows, report.spec, runs)
    pictures = {name: png for name, png in report.files().items() if name.endswith(".png") and isinstance(png, bytes)}
    tables = report.tables()
    notes = [*footnotes(tables), *report.notes]
    return PAGE.substitute(
        title=escape(report.spec.title),
        troubles="".join(f"<li>{escape(trouble)}</li>" for trouble in report.troubles()),
        choices=_choices(pages, report.spec.keys),
        tables="".join(_table(table, report) for table in tables),
        notes="".join(f"<p>{escape(note)}</p>" for note in notes),
        figures="".join(_image(uri(png), name, "table") for name, png in pictures.items()),
        curves=_curves(pages, runs),
        gallery=_album(pages),
    )


def _choices(pages: list[SeedGroup], keys: list[str]) -> str:
    """A box for each value of each key that varies."""
    made = []
    for key in keys:
        values = list(dict.fromkeys(leaf.keys[key] for leaf in pages))
        if 1 < len(values) <= FILTERED:
            boxes = "".join(
                f'<label><input type="checkbox" checked name="{escape(key)}" value="{escape(value)}">{escape(value)}'
                "</label>"
                for value in values
            )
            made.append(f"<fieldset><legend>{escape(key)}</legend>{boxes}</fieldset>")
    return "".join(made)


def _table(table: Table, report: Report) -> str:
    header = "".join(f"<th>{escape(name)}</th>" for name in table.header)
    rows = []
    for n, (line, texts) in enumerate(zip(table.lines, table.body, strict=True)):
        marked = [f"<b>{escape(text)}</b>" if (n, m) in table.best else escape(text) for m, text in enumerate(texts)]
        cells = "".join(f"<td>{text}</td>" for text in marked)
        rows.append(f"<tr {_keys(dict(zip(report.spec.rows, line, strict=True)))}>{cells}</tr>")
    caption = f"{escape(table.title)} (mean ± standard deviation (n seeds))"
    return f"<table><caption>{caption}</caption><tr>{header}</tr>{''.join(rows)}</table>"


def _curves(pages: list[SeedGroup], runs: dict[str, Run]) -> str:
    """A picture for each data set."""
    models: dict[str, dict[str, list[Run]]] = {}
    for row in (row for leaf in pages for row in leaf.rows if row["run"] in runs):
        models.setdefault(row["data"], {}).setdefault(row["model"], []).append(runs[row["run"]])
    made = []
    for data, mine in models.items():
        png = learning_curves(data, mine)
        if png:
            made.append(f"<figure {_keys({'data': data})}>{_image(uri(png), data, 'table')}</figure>")
    return "".join(made)


def _album(pages: list[SeedGroup]) -> str:
    """A row for each configuration, a column for each title."""
    titles = list(dict.fromkeys(title for leaf in pages for title in leaf.titles))
    width = width_of(sum(len(leaf.titles) for leaf in pages))
    header = "".join(f"<th>{escape(title)}</th>" for title in titles)
    return f"<tr><th></th>{header}</tr>" + "".join(_seed_group(leaf, titles, width) for leaf in pages)


def _seed_group(leaf: SeedGroup, titles: list[str], width: int) -> str:
    name = " ".join(leaf.keys.values())
    states = [row["state"] for row in leaf.rows]
    told = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    errors = dict.fromkeys(row["error"] for row in leaf.rows if row["state"] == "failed" and row["error"])
    failures = "".join(f"<p class=failed>{escape(str(error))}</p>" for error in errors)
    shown = f"<p>{escape(leaf.run.path.name)}</p>" if leaf.run else ""
    cells = [f"<th>{escape(name)}<p>{escape(told)}</p>{shown}{failures}</th>"]
    for title in titles:
        picture = thumbnail(leaf.run, title, width) if leaf.run else None
        cells.append(f"<td>{_image(picture, f'{name}: {title}', 'small') if picture else '—'}</td>")
    return f"<tr {_keys(leaf.keys)}>{''.join(cells)}</tr>"


def _image(source: str, name: str, sort: str) -> str:
    return f'<img class={sort} src="{source}" alt="{escape(name)}" title="{escape(name)}">'


def _keys(keys: dict[str, str]) -> str:
    """What the boxes look at."""
    return f'data-keys="{escape(json.dumps(keys))}"'
