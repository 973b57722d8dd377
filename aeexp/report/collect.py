"""The runs of a directory as one tidy frame: a row a run and metric."""

from pathlib import Path
from typing import Any

import pandas as pd

from aeexp.runs.run import Run, find

# What a command line says that makes no two runs of a table differ.
UNTOLD = {"runs", "sweep", "table", "evaluation", "threads", "data.root", "seed"}


def parameter(config: dict[str, Any], key: str) -> str | None:
    """What a run chose in a group, or its value at a dotted key, as text."""
    if key == "bottleneck":
        return str(config["bottleneck"]["dim"])
    if key in config["choices"]:
        return str(config["choices"][key])
    value: Any = config
    for name in key.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return None if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def varying(configs: list[dict[str, Any]], known: list[str]) -> list[str]:
    """`known`, and what else was said on the command line and is not the same for all runs."""
    said = dict.fromkeys(key for config in configs for key in config["overrides"] if key not in UNTOLD)
    return [*known, *(k for k in said if k not in known and len({parameter(c, k) for c in configs}) > 1)]


def collect(folder: Path, known: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Columns: the varying keys, seed, run, state, error, metric, value; and those keys. Runs without results: one row."""
    runs = [(run, run.config) for run in find(folder)]
    keys = varying([config for _, config in runs], known)
    rows = [row for run, config in runs for row in _rows(run, config, keys)]
    return pd.DataFrame(rows, columns=[*keys, "seed", "run", "state", "error", "metric", "value"]), keys


def _rows(run: Run, config: dict[str, Any], keys: list[str]) -> list[dict[str, Any]]:
    status = run.status
    row = {key: parameter(config, key) for key in keys} | {
        "seed": config["seed"],
        "run": run.path.name,
        "state": status.get("state", "running"),
        "error": status.get("error"),
    }
    metrics = run.metrics or {None: None}
    return [{**row, "metric": metric, "value": value} for metric, value in metrics.items()]
