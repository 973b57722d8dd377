"""The runs of a directory as one tidy frame: a row a run and metric."""

from pathlib import Path
from typing import Any

import pandas as pd

from aeexp.runs.run import Run, find

# What a command line says that makes no two runs of a table differ.
UNTOLD = {"runs", "sweep", "table", "evaluation", "threads", "data.root", "seed"}
FACTS = ("seed", "run", "state", "error", "metric", "value")


def parameter(config: dict[str, Any], key: str) -> str:
    """What a run chose in a group, or its value at a dotted key, as text; a dash where it has none."""
    if key == "bottleneck":
        return str(config["bottleneck"]["dim"])
    if key in config["choices"]:
        return str(config["choices"][key])
    value: Any = config
    for name in key.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "—" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def varying(configs: list[dict[str, Any]]) -> list[str]:
    """What was said on the command lines and is not the same for all runs."""
    said = dict.fromkeys(key for config in configs for key in config["overrides"] if key not in UNTOLD)
    return [key for key in said if len({parameter(config, key) for config in configs}) > 1]


def load(folder: Path) -> list[tuple[Run, dict[str, Any]]]:
    """Every run below the folder, with its configuration."""
    return [(run, run.config) for run in find(folder)]


def tidy(runs: list[tuple[Run, dict[str, Any]]], keys: list[str]) -> pd.DataFrame:
    """Columns: keys, then FACTS. A run without results has one row, without metric."""
    rows = [row for run, config in runs for row in _rows(run, config, keys)]
    return pd.DataFrame(rows, columns=[*keys, *FACTS])


def _rows(run: Run, config: dict[str, Any], keys: list[str]) -> list[dict[str, Any]]:
    status = run.status
    row = {key: parameter(config, key) for key in keys} | {
        "seed": config["seed"],
        "run": run.path.name,
        "state": status.get("state", "running"),
        "error": status.get("error"),
    }
    return [{**row, "metric": metric, "value": value} for metric, value in run.metrics.items()] or [row]
