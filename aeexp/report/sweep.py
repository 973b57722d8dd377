"""A sweep's directory: the table that was announced for it, and the files that are made of its runs."""

import time
from pathlib import Path
from typing import Any

import pandas as pd

from aeexp.report.collect import FACTS, load, parameter, tidy, varying
from aeexp.report.figure import curves
from aeexp.report.table import Metric, Spec, statistics, wide
from aeexp.runs.files import read_yaml, write, write_yaml

OFTEN = 5.0  # seconds between two tables while a sweep runs
PREFERRED = ("reconstruction/squared_error", "linear_probe/accuracy", "linear_probe/accuracy_0.01")


def announce(folder: Path, table: dict[str, Any], configs: list[dict[str, Any]]) -> None:
    """Keeps what a table shows, and every run that belongs in it, so that what is missing can be seen."""
    keys = [*table["rows"], *table["columns"]]
    points = [{key: parameter(config, key) for key in keys} for config in configs]
    expected = [dict(point) for point in dict.fromkeys(tuple(point.items()) for point in points)]
    write_yaml(folder / "table.yaml", {**table, "expected": expected})


class Report:
    """The runs below a directory, and the table they make: the announced one, or one of whatever varies.

    A directory that holds no runs but the runs.csv of an earlier table is read from that.
    """

    def __init__(self, folder: Path) -> None:
        node = read_yaml(folder / "table.yaml")
        runs = load(folder)
        stored = pd.read_csv(folder / "runs.csv", dtype=str) if not runs and (folder / "runs.csv").exists() else None
        found = varying([config for _, config in runs]) if stored is None else list(stored.columns[: -len(FACTS)])
        self.spec = Spec.of(node) if node else _spec_of(str(folder), found)
        announced = [*self.spec.rows, *self.spec.columns]
        self.extra = [key for key in found if key not in announced]
        self.keys = [*self.spec.rows, *self.extra, *self.spec.columns]
        self.runs = tidy(runs, self.keys) if stored is None else stored.astype({"value": float})
        # where more varies than was announced, what is missing is no line of its own
        self.expected = pd.DataFrame([] if self.extra else node.get("expected", []), columns=self.keys)
        if not node:
            measured = self.runs["metric"].dropna().unique()
            names = [name for name in PREFERRED if name in measured] or list(measured)
            self.spec.metrics.extend(Metric(name, name, 4) for name in names)

    def tables(self) -> list[tuple[Metric, pd.DataFrame]]:
        return [(m, wide(self.runs, self.expected, self.spec, m, self.extra)) for m in self.spec.metrics]

    def markdown(self) -> str:
        parts = [f"## {self.spec.title}"]
        for metric, table in self.tables():
            parts.append(f"**{metric.title}** (mean ± standard deviation (n seeds))\n\n{table.to_markdown()}")
        failed = self.runs[self.runs["state"] == "failed"].drop_duplicates("run")
        notes = [*self.spec.notes, *(f"[{number}] {source}" for number, source in self.spec.sources.items())]
        notes += [f"failed: {run}: {error}" for run, error in zip(failed["run"], failed["error"], strict=True)]
        return "\n\n".join([*parts, *notes]) + "\n"

    def latex(self) -> str:
        """One booktabs table a metric."""
        return "\n".join(
            table.set_axis([_tex(name) for name in table.columns], axis=1)
            .set_axis([_tex(name) for name in table.index], axis=0)
            .map(_tex)
            .to_latex(caption=f"{_tex(self.spec.title)}: {_tex(metric.title)}", position="ht")
            for metric, table in self.tables()
        )

    def csv(self) -> str:
        """A row a metric and combination of keys: mean, std, n."""
        return statistics(self.runs, self.keys).to_csv(index=False)

    def write(self, folder: Path) -> list[Path]:
        """Writes all forms into the directory and gives their paths."""
        forms: dict[str, str | bytes] = {
            "table.md": self.markdown(),
            "table.csv": self.csv(),
            "table.tex": self.latex(),
            "runs.csv": self.runs.to_csv(index=False),
        }
        if self.spec.curve and self.runs["metric"].notna().any():
            forms["table.png"] = curves(statistics(self.runs, self.keys), self.spec, self.extra)
        for name, content in forms.items():
            write(folder / name, content)
        return [folder / name for name in forms]


def refresh(folder: Path, force: bool = False) -> str:
    """Rewrites the table's files from disk, unless that was just done; the text to show."""
    written = folder / "table.md"
    if not force and written.exists() and time.time() - written.stat().st_mtime < OFTEN:
        return ""
    report = Report(folder)
    paths = report.write(folder)
    return "\n".join(["", report.markdown(), *map(str, paths)])


def _spec_of(title: str, keys: list[str]) -> Spec:
    columns = [key for key in keys if key == "bottleneck"]
    return Spec(title, [key for key in keys if key not in columns] or ["model"], columns, [])


def _tex(text: Any) -> str:
    marks = {"_": r"\_", "%": r"\%", "±": r"$\pm$", "—": "--", "#": r"\#", "&": r"\&"}
    return "".join(marks.get(character, character) for character in str(text))
