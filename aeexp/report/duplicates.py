"""Duplicate runs: a seed counts once, however many directories it has."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from aeexp.report.collect import Row, Runs
from aeexp.runs import records
from aeexp.runs.records import Damaged

NAMED = 5  # differing keys that a sentence names
NO_SETTINGS = ("overrides", "runs", "sweep", "choices")  # entries of a configuration that repeat others, or places


def one_run_a_seed(folder: Path, rows: list[Row], keys: list[str], runs: Runs) -> tuple[list[Row], list[str]]:
    """The rows of one run for each combination of the keys and seed, and a sentence where there were more.

    Runs of one identity are copies. Of runs that differ in what no key shows, the measured one that ended last counts.
    """
    groups: dict[tuple[str, ...], dict[str, bool]] = defaultdict(dict)
    for row in rows:
        group = groups[tuple(row[key] for key in [*keys, "seed"])]
        group[row["run"]] = group.get(row["run"], False) or row["metric"] is not None
    dropped: set[str] = set()
    copies, differing = 0, []
    for place, group in groups.items():
        if len(group) == 1:
            continue
        last = max(group, key=lambda run: (group[run], runs.ended.get(run, ""), run))
        dropped |= group.keys() - {last}
        if len({runs.identities.get(run) for run in group}) == 1:
            copies += len(group) - 1
        else:
            differing.append((place, sorted(group)))
    sentences = [f"{copies} copies of runs are not counted: a seed counts once."] if copies else []
    if differing:
        place, names = differing[0]
        where = _differences(folder, names, runs)
        sentences.append(
            f"Of {len(differing)} seeds more than one run was found, of which only the last to end counts: those of "
            f"{' '.join(place[:-1])}, seed {place[-1]}, differ in {where}, which --by can show."
        )
    return [row for row in rows if row["run"] not in dropped], sentences


def _differences(folder: Path, names: list[str], runs: Runs) -> str:
    """The dotted keys in which the configurations of these runs differ."""
    try:
        configs = [_flat(records.config(folder / name)) for name in names if runs.identities]
    except (Damaged, OSError):
        configs = []
    keys = sorted({key for config in configs for key in config})
    shown = [key for key in keys if len({str(config.get(key)) for config in configs}) > 1]
    shown = [key for key in shown if key.split(".")[0] not in NO_SETTINGS]
    return ", ".join(shown[:NAMED]) + (" and more" if len(shown) > NAMED else "") or "a setting"


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, dict):
        return {prefix: node}
    return {k: v for key, value in node.items() for k, v in _flat(value, f"{prefix}.{key}".lstrip(".")).items()}
