"""A sweep as one page: its tables, its curves, and the pictures of its runs side by side.

Every picture is inside, so that the file can be sent; it is of the first seed alone, and small. A picture that is
clicked is shown as large as it is kept. Links go to the runs' directories, beside which the page usually lies.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from aeexp.report.collect import Row
from aeexp.report.learning import learning_curves
from aeexp.report.report import Report
from aeexp.report.table import Table, footnotes
from aeexp.report.thumbnails import SeedGroup, seed_groups, thumbnail, uri, width_of
from aeexp.runs.run import Run

CHOICES = 40  # values at most of a key that can be filtered by


def page(report: Report, place: Path) -> str:
    """HTML of the report, for a file in the folder `place`."""
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    names = dict.fromkeys(row["run"] for row in report.rows)
    runs = {name: Run(report.folder / name) for name in names if (report.folder / name).is_dir()}
    groups = seed_groups(report.rows, report.spec, runs)
    tables = report.tables()
    pictures = {name: png for name, png in report.files().items() if name.endswith(".png") and isinstance(png, bytes)}
    return templates.get_template("page.html").render(
        title=report.spec.title,
        troubles=report.troubles(),
        choices=_choices(groups, report.spec.keys),
        tables=[_table(table) for table in tables],
        notes=[*footnotes(tables), *report.notes],
        figures={name: uri(png) for name, png in pictures.items()},
        curves=_curves(groups, runs),
        keys=report.spec.keys,
        runs=_runs(report, runs, place),
        **_gallery(groups, place),
    )


def _choices(groups: list[SeedGroup], keys: list[str]) -> dict[str, list[str]]:
    """The values of each key that varies."""
    values = {key: list(dict.fromkeys(group.keys[key] for group in groups)) for key in keys}
    return {key: found for key, found in values.items() if 1 < len(found) <= CHOICES}


def _table(table: Table) -> dict[str, Any]:
    rows = [
        {
            "keys": dict(zip(table.row_keys, line, strict=True)),
            "cells": [{"text": text, "best": (n, m) in table.best} for m, text in enumerate(texts)],
        }
        for n, (line, texts) in enumerate(zip(table.lines, table.body, strict=True))
    ]
    return {"title": table.title, "header": table.header, "rows": rows}


def _runs(report: Report, runs: dict[str, Run], place: Path) -> dict[str, Any]:
    """A row a run: its keys, seed, state, the table's metrics, and where it lies."""
    metrics = [metric.name for metric in report.spec.metrics]
    rows: dict[str, Row] = {}
    for row in report.rows:
        entry = rows.setdefault(row["run"], {**row, "values": {}, "link": None})
        entry["values"][row["metric"]] = row["value"]
    for name, run in runs.items():
        rows[name]["link"] = _link(run.path, place)
    shown = [
        {
            "keys": {key: row[key] for key in report.spec.keys},
            "cells": [*(row[key] for key in report.spec.keys), row["seed"], row["state"]],
            "values": [_value(row["values"].get(metric)) for metric in metrics],
            "name": row["run"],
            "link": row["link"],
        }
        for row in rows.values()
    ]
    return {"header": [*report.spec.keys, "seed", "state", *metrics], "rows": shown}


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _curves(groups: list[SeedGroup], runs: dict[str, Run]) -> dict[str, str]:
    """A picture for each data set."""
    models: dict[str, dict[str, list[Run]]] = {}
    for row in (row for group in groups for row in group.rows if row["run"] in runs):
        models.setdefault(row["data"], {}).setdefault(row["model"], []).append(runs[row["run"]])
    pictures = {data: learning_curves(data, of_model) for data, of_model in models.items()}
    return {data: uri(png) for data, png in pictures.items() if png}


def _gallery(groups: list[SeedGroup], place: Path) -> dict[str, Any]:
    """A row for each configuration, a column for each title."""
    titles = list(dict.fromkeys(title for group in groups for title in group.titles))
    width = width_of(sum(len(group.titles) for group in groups))
    return {"titles": titles, "gallery": [_gallery_row(group, titles, width, place) for group in groups]}


def _gallery_row(group: SeedGroup, titles: list[str], width: int, place: Path) -> dict[str, Any]:
    states = [row["state"] for row in group.rows]
    errors = dict.fromkeys(str(row["error"]) for row in group.rows if row["state"] == "failed" and row["error"])
    return {
        "name": " ".join(group.keys.values()),
        "keys": group.keys,
        "states": ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)),
        "errors": list(errors),
        "run": group.run.path.name if group.run else None,
        "link": _link(group.run.path, place) if group.run else None,
        "pictures": _pictures(group.run, titles, width, place) if group.run else {},
    }


def _pictures(run: Run, titles: list[str], width: int, place: Path) -> dict[str, dict[str, str]]:
    """Of each title that the run has: the picture, small, and the link to its file."""
    small = {title: thumbnail(run, title, width) for title in titles}
    files = {title: run.figures / f"{title}.png" for title in titles}
    return {title: {"source": uri, "link": _link(files[title], place)} for title, uri in small.items() if uri}


def _link(path: Path, place: Path) -> str:
    """From the page to the path. It begins with a dot, so that no name is taken for a protocol."""
    return "./" + quote(Path(os.path.relpath(path, place)).as_posix())
