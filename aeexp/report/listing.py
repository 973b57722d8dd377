"""List, compare and delete runs, from disk.

aeexp runs ls runs                        every run: what was chosen, its state and its metrics
aeexp runs ls runs/first --where model=vae --sort reconstruction/squared_error --metrics knn/accuracy
aeexp runs best runs/first reconstruction/squared_error    the path of the best run, and nothing else
aeexp runs diff RUN RUN                   the settings and the metrics in which two runs differ
aeexp runs rm runs/first --where model=vae    delete runs, after a question
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tabulate import tabulate

from aeexp.errors import UserError
from aeexp.files import remove
from aeexp.report.collect import DASH, Row, collect
from aeexp.report.escape import printable
from aeexp.report.query import check_keys, kept, parsed
from aeexp.report.report import PREFERRED
from aeexp.report.spec import Metric
from aeexp.runs.identity import without_paths
from aeexp.runs.run import Run, find

NOT_COMPARED = ("runs", "sweep", "choices", "overrides")
SHOWN = "{:.4g}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="aeexp runs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, does, meaning in (
        ("ls", _ls, "list runs"),
        ("best", _best, "the path of the best run"),
        ("diff", _diff, "what differs between two runs"),
        ("rm", _rm, "delete runs, after a question"),
    ):
        command = commands.add_parser(name, help=meaning, description=meaning)
        command.set_defaults(does=does)
        if name == "diff":
            command.add_argument("runs", type=Path, nargs=2, help="a run's directory")
            continue
        command.add_argument("folder", type=Path, help="a run's directory, or a folder of runs")
        command.add_argument("--where", action="append", default=[], help="runs to keep, as model=vae,deep; repeatable")
        if name == "ls":
            command.add_argument("--sort", default="", help="a metric, its best run first; or a key, as seed")
            command.add_argument("--metrics", default="", help="metrics to show, as knn/accuracy,training/epochs")
        if name == "best":
            command.add_argument("metric", help="such as reconstruction/squared_error")
            command.add_argument(
                "--better", choices=["lower", "higher"], help="where the metric's name does not say it"
            )
        if name == "rm":
            command.add_argument("--yes", action="store_true", help="delete without a question")
    given = parser.parse_args()
    try:
        for line in given.does(given):
            print(printable(line))
    except UserError as error:
        sys.exit(printable(f"error: {error}"))
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}")


def _ls(given: argparse.Namespace) -> Iterator[str]:
    runs, keys = _runs(given.folder, given.where)
    measured = list(dict.fromkeys(name for row in runs.values() for name in row["metrics"]))
    asked = [name for name in given.metrics.split(",") if name]
    order = [] if given.sort in ("", *keys, "state", "run") else [given.sort]
    unknown = [name for name in [*asked, *order] if name not in measured]
    if unknown:
        raise UserError(
            f"{unknown[0]} is not measured; there are {', '.join(measured)}, and the keys {', '.join(keys)}"
        )
    shown = list(dict.fromkeys([*asked, *order])) or [name for name in PREFERRED if name in measured]
    lines = [*runs.values()]
    if given.sort:
        lines.sort(key=_by(given.sort, given.sort in order))
    varied = [key for key in keys if len({row[key] for row in lines}) > 1]
    table = [
        [
            row["run"],
            row["state"],
            *(row[key] for key in varied),
            *(_number(row["metrics"].get(name)) for name in shown),
        ]
        for row in lines
    ]
    yield tabulate(table, ["run", "state", *varied, *shown], "simple", disable_numparse=True)


def _best(given: argparse.Namespace) -> Iterator[str]:
    runs, _ = _runs(given.folder, given.where)
    values = {row["path"]: row["metrics"][given.metric] for row in runs.values() if given.metric in row["metrics"]}
    if not values:
        names = dict.fromkeys(name for row in runs.values() for name in row["metrics"])
        raise UserError(f"no run measured {given.metric}; there are {', '.join(names)}")
    better = given.better or Metric.of(given.metric).better
    if better is None:
        raise UserError(f"{given.metric} has no better end by its name: choose --better lower or --better higher")
    finite = {path: value for path, value in values.items() if value == value} or values
    yield str((min if better == "lower" else max)(finite, key=lambda path: finite[path]))


def _diff(given: argparse.Namespace) -> Iterator[str]:
    first, second = (_run(path) for path in given.runs)
    settings = [dict(_leaves(without_paths(run.config))) for run in (first, second)]
    metrics = [{name: _number(value) for name, value in run.metrics.items()} for run in (first, second)]
    table = [
        [name, one.get(name, DASH), other.get(name, DASH)]
        for one, other in (settings, metrics)
        for name in dict.fromkeys([*one, *other])
        if one.get(name, DASH) != other.get(name, DASH)
    ]
    if not table:
        yield "no setting and no metric differs"
        return
    yield tabulate(table, ["", first.path.name, second.path.name], "simple", disable_numparse=True)


def _rm(given: argparse.Namespace) -> Iterator[str]:
    runs, _ = _runs(given.folder, given.where)
    paths = [row["path"] for row in runs.values()]
    if not given.yes:
        yield from map(str, paths)
        if not sys.stdin.isatty():
            raise UserError(f"{len(paths)} runs would be deleted, but nobody can be asked here: choose --yes")
        if input(f"delete these {len(paths)} runs? [y/N] ").strip().lower() not in ("y", "yes"):
            yield "nothing is deleted"
            return
    for path in paths:
        remove(path)
    yield f"{len(paths)} runs are deleted"


def _runs(folder: Path, where: list[str]) -> tuple[dict[str, Row], list[str]]:
    """Each run by its name, with its keys, `path`, `state` and `metrics`; and the keys that its command line named."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: choose one of runs, as runs/first")
    wanted = parsed(where)
    collected = collect(folder, wanted)
    check_keys([*wanted], collected)
    runs: dict[str, Row] = {}
    for row in kept(collected, wanted):
        path = folder if (folder / "config.yaml").exists() else folder / row["run"]
        run = runs.setdefault(row["run"], {**row, "path": path, "metrics": {}})
        if row["metric"]:
            run["metrics"][row["metric"]] = row["value"]
    if not runs:
        raise UserError(f"{folder} holds no run: choose a folder of runs, as runs/first")
    return runs, [*dict.fromkeys(["model", "data", *collected.keys])]


def _run(path: Path) -> Run:
    if [run.path for run in find(path)] != [path]:
        raise UserError(f"{path} is no run's directory: choose one, as aeexp runs ls names it")
    return Run(path)


def _by(name: str, metric: bool) -> Callable[[Row], Any]:
    """The order of a metric, its best first and runs without it last; of a key, its numbers as such."""
    if not metric:
        return lambda row: (0, float(row[name])) if _is_number(row[name]) else (1, str(row[name]))
    sign = -1 if Metric.of(name).better == "higher" else 1
    return lambda row: (name not in row["metrics"], sign * row["metrics"].get(name, 0.0))


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except (TypeError, ValueError):
        return False
    return True


def _number(value: float | None) -> str:
    return DASH if value is None else SHOWN.format(value)


def _leaves(node: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, value as text) of a configuration."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            if name or key not in NOT_COMPARED:
                yield from _leaves(value, f"{name}.{key}" if name else key)
    else:
        yield name, str(node)
