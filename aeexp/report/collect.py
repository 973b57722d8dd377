"""The runs of a directory as tidy rows: a row a run and metric."""

import csv
import re
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from aeexp.errors import UserError
from aeexp.runs.run import Run, find

# What a command line says that makes no two runs of a table differ.
NOT_KEYS = {"runs", "sweep", "force", "fail_fast", "table", "evaluation", "threads", "data.root", "seed"}
FACTS = ("seed", "run", "state", "error", "metric", "value")
DASH = "—"
ATTEMPTS = 5  # a run that is done anew takes its files away for a moment

Row = dict[str, Any]  # the keys and FACTS; metric is None in the one row of a run that has no results


@dataclass(frozen=True)
class Runs:
    rows: list[Row]
    said: list[str]  # keys that the command lines named
    names: list[str]  # keys that a question may name; and any dotted one


def collect(folder: Path, keys: list[str]) -> Runs:
    """Every run below the folder, by what they were told and by `keys`.

    A directory that holds no runs but the runs.csv of an earlier table is read from that.
    """
    for _ in range(ATTEMPTS):
        try:
            return _collected(folder, keys)
        except FileNotFoundError:
            time.sleep(0.1)
    return _collected(folder, keys)


def _collected(folder: Path, keys: list[str]) -> Runs:
    found = [(run, config) for run in find(folder) if "choices" in (config := configuration(run.path / "config.yaml"))]
    if not found and (folder / "runs.csv").exists():
        return _stored(folder / "runs.csv", keys)
    said = dict.fromkeys(key for _, config in found for key in config["overrides"] if key not in NOT_KEYS)
    names = dict.fromkeys([*said, *(key for _, config in found for key in config["choices"] if key not in NOT_KEYS)])
    wanted = dict.fromkeys([*names, *keys])
    rows = [row for run, config in found for row in _rows(run, config, list(wanted))]
    return Runs(rows, list(said), [*names, "seed"])


def configuration(file: Path) -> dict[str, Any]:
    """As Run.config, and ten times as fast over many runs: a top-level entry that several share is parsed once."""
    text = file.read_text()
    try:
        try:
            entries = re.split(r"^(?=[^\s#-])", text, flags=re.M)
            return {key: value for entry in entries for key, value in _parsed(entry).items()}
        except yaml.YAMLError:  # one entry refers to another
            return dict(_parsed(text))
    except (yaml.YAMLError, AttributeError, ValueError):
        raise UserError(f"{file} is not what a run left there: move it out of the directory") from None


@cache
def _parsed(entry: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(entry, Loader=loader) or {}


def parameter(config: dict[str, Any], key: str) -> str:
    """What a run chose in a group, or its value at a dotted key, as text; a dash where it has none."""
    value: Any = config
    if key == "bottleneck":
        value = config["bottleneck"]["dim"]
    elif key in config["choices"]:
        value = config["choices"][key]
    else:
        for name in key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
    return DASH if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _rows(run: Run, config: dict[str, Any], keys: list[str]) -> list[Row]:
    row = {key: parameter(config, key) for key in keys} | {
        "seed": str(config["seed"]),
        "run": run.path.name,
        "state": run.state,
        "error": run.status.get("error"),
    }
    measured = [{**row, "metric": metric, "value": value} for metric, value in run.metrics.items()]
    return measured or [{**row, "metric": None, "value": None}]


def _stored(file: Path, keys: list[str]) -> Runs:
    with file.open(newline="") as lines:
        table = csv.DictReader(lines)
        said = [name for name in table.fieldnames or [] if name not in FACTS]
        rows: list[Row] = [dict.fromkeys(keys, DASH) | {k: text or None for k, text in row.items()} for row in table]
    for row in rows:
        row["value"] = None if row["value"] is None else float(row["value"])
    return Runs(rows, said, [*said, "seed"])
