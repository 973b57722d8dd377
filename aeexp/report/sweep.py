"""A sweep's directory: the table that was announced for it, and the files that are made of its runs."""

import time
from pathlib import Path
from typing import Any

import pandas as pd

from aeexp.report.collect import collect, parameter
from aeexp.report.figure import curves
from aeexp.report.table import Metric, Spec, statistics, wide
from aeexp.runs.files import read_yaml, write, write_yaml

OFTEN = 5.0  # seconds between two tables while a sweep runs
PREFERRED = ("reconstruction/squared_error", "linear_probe/accuracy", "linear_probe/accuracy_0.01")


def announce(folder: Path, table: dict[str, Any], configs: list[dict[str, Any]]) -> None:
    """Keeps what a table shows, and every run that belongs in it, so that what is missing can be seen."""
    keys = [*table["rows"], *table["columns"]]
    expected = [{key: parameter(config, key) for key in keys} for config in configs]
    write_yaml(folder / "table.yaml", {**table, "expected": expected})


class Report:
    """The runs below a directory, and the table they make. `by` and `metrics` replace what was announced."""

    def __init__(self, folder: Path) -> None:
        node = read_yaml(folder / "table.yaml")
        self.spec = Spec.of(node) if node else None
        known = [*self.spec.rows, *self.spec.columns] if self.spec else []
        self.runs, self.keys = collect(folder, known)
        if self.spec is None:
            self.spec = self._found(folder)
        self.extra = [key for key in self.keys if key not in (*self.spec.rows, *self.spec.columns)]
        self.expected = pd.DataFrame(node.get("expected", []), columns=self.keys)
        for key in self.extra:  # an announced run is no line of its own in what it does not mention
            self.expected = self.expected[self.expected[key].notna()]

    def _found(self, folder: Path) -> Spec:
        columns = [key for key in self.keys if key == "bottleneck"]
        rows = [key for key in self.keys if key not in columns] or ["model"]
        if "model" in rows and "model" not in self.keys:
            self.runs, self.keys = collect(folder, ["model"])
        measured = self.runs["metric"].dropna().unique()
        names = [name for name in PREFERRED if name in measured] or list(measured)
        return Spec(str(folder), rows, columns, [Metric(name, name, 4) for name in names])

    def markdown(self) -> str:
        parts = [f"## {self.spec.title}"]
        for metric, table in self.tables():
            parts.append(f"**{metric.title}** (mean ± standard deviation (n seeds))\n\n{table.to_markdown()}")
        failed = self.runs[self.runs["state"] == "failed"].drop_duplicates("run")
        notes = [*self.spec.notes, *(f"[{number}] {source}" for number, source in self.spec.sources.items())]
        notes += [f"failed: {run}: {error}" for run, error in zip(failed["run"], failed["error"], strict=True)]
        return "\n\n".join([*parts, *notes]) + "\n"

    def latex(self) -> str:
        return "\n".join(
            table.rename(columns=_tex, index=_tex).map(_tex).rename_axis(_tex(table.index.name)).to_latex(
                caption=f"{_tex(self.spec.title)}: {_tex(metric.title)}", position="ht"
            )
            for metric, table in self.tables()
        )

    def csv(self) -> str:
        """A row a metric and combination of keys: mean, std, n."""
        return statistics(self.runs, self.keys).to_csv(index=False)

    def tables(self) -> list[tuple[Metric, pd.DataFrame]]:
        return [(m, wide(self.runs, self.expected, self.spec, m, self.extra)) for m in self.spec.metrics]

    def write(self, folder: Path) -> list[Path]:
        """Writes all forms into the directory and gives their paths."""
        forms: dict[str, str | bytes] = {
            "table.md": self.markdown(),
            "table.csv": self.csv(),
            "table.tex": self.latex(),
            "runs.csv": self.runs.to_csv(index=False),
        }
        if self.spec.curve and self.runs["metric"].notna().any():
            forms["table.png"] = curves(statistics(self.runs, self.keys), self.spec, self.extra, "png")
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
    return "\n".join(["", report.markdown(), *(f"{path}" for path in paths)])


def _tex(text: str) -> str:
    for plain, tex in (("_", r"\_"), ("%", r"\%"), ("±", r"$\pm$"), ("—", "--"), ("#", r"\#"), ("&", r"\&")):
        text = str(text).replace(plain, tex)
    return text
