"""A sweep's directory: the table that was announced for it, and the files that are made of its runs."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from aeexp.errors import UserError
from aeexp.report.collect import DASH, Row, Runs, collect, parameter
from aeexp.report.forms import latex, markdown, tidy_csv, wide_csv
from aeexp.report.spec import Metric, Spec
from aeexp.report.table import Table, footnotes, table
from aeexp.runs.files import read_yaml, write, write_yaml

OFTEN, PICTURES = 5.0, 60.0  # seconds between two tables, and between two pictures, while a sweep runs
PREFERRED = ("reconstruction/squared_error", "linear_probe/accuracy", "linear_probe/accuracy_0.01")


def announce(folder: Path, node: dict[str, Any], configs: list[dict[str, Any]]) -> None:
    """Keeps what a table shows, and every run that belongs in it, so that what is missing can be seen.

    UserError where the table's file says what no table understands.
    """
    keys = Spec.of(node).keys
    points = [{key: parameter(config, key) for key in keys} for config in configs]
    expected = [dict(point) for point in dict.fromkeys(tuple(point.items()) for point in points)]
    write_yaml(folder / "table.yaml", {**node, "expected": expected})


class Report:
    """The runs below a directory, and the table they make: the announced one, or one of whatever varies.

    `by` names the keys of the lines, and everything else that varies makes columns; `metrics` what is shown;
    `where` keeps the runs of these values, as `model=vae,deep`. UserError where one of them names nothing.
    """

    def __init__(
        self, folder: Path, by: Sequence[str] = (), metrics: Sequence[str] = (), where: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        node = read_yaml(folder / "table.yaml")
        spec = Spec.of(node) if node else Spec(str(folder), [], [], [])
        wanted: dict[str, set[str]] = {}
        for key, _, values in (text.partition("=") for text in where):
            wanted.setdefault(key, set()).update(values.split(","))
        runs = collect(folder, [*spec.keys, *by, *wanted])
        for key in [*by, *wanted]:
            _exists(key, runs)
        self.rows = [row for row in runs.rows if all(row[key] in values for key, values in wanted.items())]
        _found(wanted, runs.rows, self.rows)
        self.spec = replace(
            _arranged(spec, self.rows, runs.said, by), metrics=_metrics(spec.metrics, self.rows, metrics)
        )
        expected = [dict(point) for point in node.get("expected", [])]
        # where more varies than was announced, what is missing is no line of its own
        known = bool(expected) and expected[0].keys() >= set(self.spec.keys)
        kept = [p for p in expected if all(p.get(key, next(iter(v))) in v for key, v in wanted.items())]
        self.expected = kept if known else []

    def tables(self) -> list[Table]:
        return [table(self.rows, self.expected, self.spec, metric) for metric in self.spec.metrics]

    @property
    def notes(self) -> list[str]:
        """The table's own, and its sources, as far as one of its values is shown."""
        shown = {str(entry["source"]) for entry in self.spec.published}
        sources = [f"[{number}] {source}" for number, source in self.spec.sources.items() if str(number) in shown]
        return [*self.spec.notes, *sources]

    def troubles(self) -> list[str]:
        """What keeps the table from being whole."""
        runs = {row["run"]: row for row in self.rows}.values()
        missing = sum(row["state"] in ("running", "interrupted") for row in runs)
        failures = [f"failed: {row['run']}: {row['error']}" for row in runs if row["state"] == "failed"]
        return [*([f"{missing} of {len(runs)} runs are not finished."] if missing else []), *failures]

    def form(self, name: str) -> str:
        """markdown, csv, latex or html"""
        if name == "csv":
            return wide_csv(self.rows, self.spec)
        if name == "html":
            from aeexp.report.page import page

            return page(self)
        if name == "latex":
            return latex(self.spec.title, self.tables(), self.notes)
        tables = self.tables()
        return markdown(self.spec.title, tables, [*footnotes(tables), *self.notes, *self.troubles()])

    def files(self, pictures: bool = True) -> dict[str, str | bytes]:
        """Name and content of every file that a sweep's directory shows of its table."""
        files: dict[str, str | bytes] = {
            "table.md": self.form("markdown"),
            "table.csv": self.form("csv"),
            "table.tex": self.form("latex"),
            "runs.csv": tidy_csv(self.rows, self.spec.keys),
        }
        if pictures and any(row["metric"] for row in self.rows):
            from aeexp.report.figure import pictures_of

            files |= pictures_of(self.rows, self.spec)
        return files

    def write(self, folder: Path, pictures: bool = True) -> list[Path]:
        """Writes all files into the directory and gives their paths."""
        files = self.files(pictures)
        for name, content in files.items():
            write(folder / name, content)
        return [folder / name for name in files]

    def write_page(self, folder: Path) -> Path:
        """Writes index.html into the directory, and gives its path."""
        write(folder / "index.html", self.form("html"))
        return folder / "index.html"


def refresh(folder: Path, force: bool = False) -> str:
    """Rewrites the table's files from disk, unless that was just done; the text to show.

    The page takes longer than the rest, a thumbnail of each picture, and is made where `force` says that it is time.
    """
    if not force and _young(folder / "table.md", OFTEN):
        return ""
    report = Report(folder)
    paths = report.write(folder, pictures=force or not _young(folder / "table.png", PICTURES))
    if force:
        paths.append(report.write_page(folder))
    return "\n".join(["", report.form("markdown"), *map(str, paths)])


def show_page(folder: Path) -> str:
    """Makes index.html of the runs below the folder, and says where it is."""
    return str(Report(folder).write_page(folder))


def _young(file: Path, seconds: float) -> bool:
    return file.exists() and time.time() - file.stat().st_mtime < seconds


def _arranged(spec: Spec, rows: list[Row], said: list[str], by: Sequence[str]) -> Spec:
    """The spec with a line or a column for everything that varies, so that a cell is of one configuration."""
    extra = [key for key in said if key not in spec.keys and _varies(key, rows)]
    if by:
        others = [key for key in dict.fromkeys([*spec.columns, *spec.rows, *extra]) if key not in by]
        return replace(spec, rows=list(by), columns=[key for key in others if _varies(key, rows)])
    if spec.rows:
        return replace(spec, rows=[*spec.rows, *extra])
    columns = [key for key in extra if key == "bottleneck"]
    return replace(spec, rows=[key for key in extra if key not in columns] or ["model"], columns=columns)


def _varies(key: str, rows: list[Row]) -> bool:
    return len({row[key] for row in rows}) > 1


def _metrics(known: list[Metric], rows: list[Row], asked: Sequence[str]) -> list[Metric]:
    measured = list(dict.fromkeys(row["metric"] for row in rows if row["metric"]))
    titled = {metric.name: metric for metric in known}
    anomalous = [name for name in asked if name not in measured and name not in titled]
    if anomalous:
        raise UserError(f"--metrics {anomalous[0]}: not measured; there are {', '.join(measured)}")
    names = list(asked) or list(titled) or [name for name in PREFERRED if name in measured] or measured
    return [titled.get(name) or Metric.of(name) for name in names]


def _exists(key: str, runs: Runs) -> None:
    if key not in runs.names and all(row.get(key, DASH) == DASH for row in runs.rows):
        raise UserError(f"{key} is no key of these runs; there are {', '.join(runs.names)}, and dotted ones")


def _found(wanted: dict[str, set[str]], rows: list[Row], kept: list[Row]) -> None:
    for key, values in wanted.items():
        there = dict.fromkeys(row[key] for row in rows)
        anomalous = sorted(values - there.keys())
        if anomalous:
            raise UserError(f"--where {key}={anomalous[0]}: there is {', '.join(there)}")
    if wanted and not kept:
        raise UserError("no run has all that --where asks for")
