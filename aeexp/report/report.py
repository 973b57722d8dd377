"""The runs below a directory, and the tables they make."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aeexp.errors import UserError
from aeexp.report.choice import selected
from aeexp.report.collect import DAMAGED, Row, Runs, collect
from aeexp.report.duplicates import one_run_a_seed
from aeexp.report.forms import latex, markdown, tidy_csv, wide_csv
from aeexp.report.query import check_keys, kept, parsed
from aeexp.report.spec import Metric, Spec
from aeexp.report.table import Table, footnotes, ordered, table
from aeexp.runs import records

PREFERRED = ("reconstruction/squared_error", "linear_probe/accuracy", "linear_probe/accuracy_0.01")


class Report:
    """The runs below a directory, and the table they make: the announced one, or one of whatever varies.

    `by` names the keys of the lines, and everything else that varies makes columns; `metrics` what is shown;
    `where` keeps the runs of these values, as `model=vae,deep`. UserError where one of them names nothing.
    """

    def __init__(
        self, folder: Path, by: Sequence[str] = (), metrics: Sequence[str] = (), where: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        node = records.table(folder)
        spec = Spec.of(node) if node else Spec(str(folder), [], [], [])
        wanted = parsed(where)
        runs = collect(folder, [*spec.keys, *spec.chosen, *by, *wanted])
        check_keys([*by, *wanted], runs)
        rows = kept(runs, wanted)
        self.choices: list[str] = []
        if spec.choose:  # its sentences name the combinations of the keys as the table has them, 2 before 10
            places = ordered(rows, spec.keys, spec)
            rows.sort(key=lambda row: places.index(tuple(row[key] for key in spec.keys)))
            rows, self.choices = selected(rows, spec.keys, spec.choose)
        spec = replace(_arranged(spec, rows, runs.varied, by), metrics=_metrics(spec.metrics, rows, metrics))
        self.spec = spec if node else replace(spec, baselines=_baselines(rows, spec.rows[0], runs))
        self.rows, self.repeated = one_run_a_seed(folder, rows, self.spec.keys, runs)
        self.damaged = runs.damaged
        self.devices = Counter(runs.devices[run] for run in {row["run"] for row in self.rows} if run in runs.devices)
        expected = [dict(point) for point in node.get("expected", [])]
        # where more varies than was announced, what is missing is no line of its own
        known = bool(expected) and expected[0].keys() >= set(self.spec.keys)
        there = [p for p in expected if all(p.get(key, next(iter(v))) in v for key, v in wanted.items())]
        self.expected = there if known else []

    def tables(self) -> list[Table]:
        return [table(self.rows, self.expected, self.spec, metric) for metric in self.spec.metrics]

    @property
    def notes(self) -> list[str]:
        """The table's own, the chosen values, what seconds are of, the sources, and runs that do not count."""
        shown = {str(entry["source"]) for entry in self.spec.published}
        sources = [f"[{number}] {source}" for number, source in self.spec.sources.items() if str(number) in shown]
        timed = any(metric.name == "training/seconds" for metric in self.spec.metrics)
        places = ", ".join(
            f"{device} ({n} {'run' if n == 1 else 'runs'})" for device, n in sorted(self.devices.items())
        )
        seconds = [f"The seconds are of {places}."] if timed and places else []
        return [*self.spec.notes, *self.choices, *seconds, *sources, *self.repeated]

    @property
    def seconds(self) -> float:
        """How long its runs trained, in all."""
        return sum(row["value"] for row in self.rows if row["metric"] == "training/seconds")

    def troubles(self) -> list[str]:
        """What keeps the table from being complete: unfinished, failed and damaged runs."""
        runs = {row["run"]: row for row in self.rows}.values()
        missing = sum(row["state"] in ("running", "interrupted") for row in runs)
        failures = [f"failed: {row['run']}: {row['error']}" for row in runs if row["state"] == "failed"]
        damages = [*(str(row["error"]) for row in runs if row["state"] == DAMAGED), *self.damaged]
        unfinished = [f"{missing} of {len(runs)} runs are not finished."] if missing else []
        return [*unfinished, *failures, *(f"{DAMAGED}: {damage}" for damage in damages)]

    def form(self, name: str) -> str:
        """markdown, csv or latex"""
        if name == "csv":
            return wide_csv(self.rows, self.spec)
        tables = self.tables()
        if name == "latex":
            return latex(self.spec.title, tables, self.notes)
        return markdown(self.spec.title, tables, [*footnotes(tables), *self.notes, *self.troubles()])

    def files(self, pictures: bool = True) -> dict[str, str | bytes]:
        """Name and content of every file that a sweep's directory shows of its table, but for its page."""
        files: dict[str, str | bytes] = {
            "table.md": self.form("markdown"),
            "table.csv": self.form("csv"),
            "table.tex": self.form("latex"),
            "runs.csv": tidy_csv(self.rows, [*self.spec.keys, *self.spec.chosen]),
        }
        if pictures and any(row["metric"] for row in self.rows):
            from aeexp.report.figure import pictures_of

            files |= pictures_of(self.rows, self.spec)
        return files


def _arranged(spec: Spec, rows: list[Row], varied: list[str], by: Sequence[str]) -> Spec:
    """The spec with a line or a column for everything that varies, so that a cell is of one configuration."""
    extra = [key for key in varied if key not in [*spec.keys, *spec.chosen] and _varies(key, rows)]
    if by:
        others = [key for key in dict.fromkeys([*spec.columns, *spec.rows, *extra]) if key not in by]
        return replace(spec, rows=list(by), columns=[key for key in others if _varies(key, rows)])
    if spec.rows:
        return replace(spec, rows=[*spec.rows, *extra])
    columns = [key for key in extra if key == "bottleneck"]
    return replace(spec, rows=[key for key in extra if key not in columns] or ["model"], columns=columns)


def _varies(key: str, rows: list[Row]) -> bool:
    return len({row[key] for row in rows}) > 1


def _baselines(rows: list[Row], key: str, runs: Runs) -> list[str]:
    """The values of a key whose models nothing trains."""
    trained = {row[key] for row in rows if row["run"] not in runs.untrained}
    return [value for value in dict.fromkeys(row[key] for row in rows) if value not in trained]


def _metrics(known: list[Metric], rows: list[Row], names: Sequence[str]) -> list[Metric]:
    measured = list(dict.fromkeys(row["metric"] for row in rows if row["metric"]))
    titled = {metric.name: metric for metric in known}
    unknown = [name for name in names if name not in measured and name not in titled]
    if unknown:
        raise UserError(f"--metrics {unknown[0]}: not measured; there are {', '.join(measured)}")
    protocols = [name for name in measured if not name.startswith("training/")]
    recorded = [name for name in titled if not name.startswith("training/") or name in measured]
    shown = list(names) or recorded or [name for name in PREFERRED if name in measured] or protocols
    return [titled.get(name) or Metric.of(name) for name in shown]
