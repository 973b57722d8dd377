"""The runs of a directory as tidy rows: a row a run and metric."""

import csv
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aeexp.report.escape import from_csv
from aeexp.runs import records
from aeexp.runs.identity import identity
from aeexp.runs.records import Damaged
from aeexp.runs.run import Run

# Overrides that are no hyperparameter: runs that differ in nothing else are the same row of a table.
NOT_HYPERPARAMETERS = {
    "runs",
    "sweep",
    "force",
    "fail_fast",
    "table",
    "evaluation",
    "threads",
    "jobs",
    "data.root",
    "seed",
}
FACTS = ("seed", "run", "state", "error", "metric", "value")
DASH = "—"
DAMAGED = "damaged"
ATTEMPTS = 3  # a run that is done anew takes its files away for a moment

Row = dict[str, Any]  # the keys and FACTS; metric is None in the one row of a run that has no results


@dataclass(frozen=True)
class Runs:
    """The rows of all runs below a folder, and what is known of the runs beside their numbers."""

    rows: list[Row]
    varied: list[str]  # keys that the command lines named
    keys: list[str]  # keys that a query may name; and any dotted one
    identities: dict[str, str] = field(default_factory=dict)  # by run
    ended: dict[str, str] = field(default_factory=dict)  # by run, the time
    devices: dict[str, str] = field(default_factory=dict)  # by run, on what it was trained
    untrained: set[str] = field(default_factory=set)  # runs of models that nothing trains
    damaged: list[str] = field(default_factory=list)  # a sentence for each run whose configuration cannot be read


def collect(folder: Path, keys: Iterable[str]) -> Runs:
    """Every run below the folder, by what its command line named and by `keys`.

    A directory that holds no runs but the runs.csv of an earlier table is read from that.
    """
    configs, damaged = configurations(folder)
    if not configs and not damaged and (folder / "runs.csv").exists():
        return _stored(folder / "runs.csv", list(keys))
    varied = dict.fromkeys(key for config in configs.values() for key in config["overrides"])
    groups = dict.fromkeys(key for config in configs.values() for key in config["choices"])
    named = [key for key in dict.fromkeys([*varied, *groups]) if key not in NOT_HYPERPARAMETERS]
    wanted = list(dict.fromkeys([*named, *keys]))
    runs = Runs([], [key for key in varied if key not in NOT_HYPERPARAMETERS], [*named, "seed"], damaged=damaged)
    for path, config in configs.items():
        name = name_of(path, folder)
        runs.identities[name] = identity(config)
        _add(runs, Run(path), name, {key: parameter(config, key) for key in wanted} | {"seed": str(config["seed"])})
    return runs


def configurations(folder: Path) -> tuple[dict[Path, dict[str, Any]], list[str]]:
    """The configuration of each run below the folder, and a sentence for each that is damaged."""
    for attempt in range(ATTEMPTS):
        found, damaged, gone = {}, [], []
        for path in records.directories(folder):
            try:
                found[path] = records.config(path)
            except FileNotFoundError:
                gone.append(f"{path / 'config.yaml'} is missing")
            except Damaged as error:
                if _is_run(path):
                    damaged.append(str(error))
        if not gone:
            break
        if attempt < ATTEMPTS - 1:
            time.sleep(0.1)
    return found, [*damaged, *gone]


def _is_run(path: Path) -> bool:
    """Whether a config.yaml that does not fit was a run's, and not another program's."""
    file = path / "config.yaml"
    return any(path.glob("*.json")) or (file.is_file() and b"choices" in file.read_bytes())


def name_of(run: Path, folder: Path) -> str:
    """A run's place below the folder; of the folder itself, its name."""
    return run.relative_to(folder).as_posix() if run != folder else run.name


def parameter(config: dict[str, Any], key: str) -> str:
    """The option that a run chose in a group, or its value at a dotted key, as text; a dash where it has none."""
    value: Any = config
    if key == "bottleneck":
        value = config["bottleneck"]["dim"]
    elif key in config["choices"]:
        value = config["choices"][key]
    else:
        for name in key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
    return DASH if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _add(runs: Runs, run: Run, name: str, keys: Row) -> None:
    """Adds the rows of one run, and what else its records say."""
    row: Row = {**keys, "run": name}
    try:
        status, results = run.status, run.results
        row |= {"state": run.state, "error": status.get("error")}
    except Damaged as error:
        runs.rows.append({**row, "state": DAMAGED, "error": str(error), "metric": None, "value": None})
        return
    numbers = {**records.metrics(results), **records.training(results)} if results.get("protocols") else {}
    measured = [{**row, "metric": metric, "value": value} for metric, value in numbers.items()]
    runs.rows.extend(measured or [{**row, "metric": None, "value": None}])
    runs.ended[name] = str(status.get("ended", ""))
    if device := results.get("training", {}).get("device"):
        runs.devices[name] = str(device)
    if results.get("training", {}).get("best") == {}:  # no epoch was the best
        runs.untrained.add(name)


def _stored(file: Path, keys: list[str]) -> Runs:
    with file.open(newline="", encoding="utf-8") as lines:
        table = csv.DictReader(lines)
        varied = [name for name in table.fieldnames or [] if name not in FACTS]
        read = [{key: from_csv(text) or None for key, text in row.items()} for row in table]
    rows: list[Row] = [dict.fromkeys(keys, DASH) | row for row in read]
    for row in rows:
        row["value"] = None if row["value"] is None else float(row["value"])
    return Runs(rows, varied, [*varied, "seed"])
