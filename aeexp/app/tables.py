"""aeexp table ls: the tables that there are, what each sweeps, and how long its runs trained where it is stored."""

import argparse
from math import prod
from pathlib import Path

from tabulate import tabulate

from aeexp.app.packages import folders
from aeexp.app.watch import readable
from aeexp.files import read_yaml
from aeexp.report.report import Report


def main() -> None:
    parser = argparse.ArgumentParser("aeexp table", description=__doc__)
    parser.add_argument("command", choices=["ls"], help="a line for each table=")
    parser.parse_args()
    files = sorted(file for folder in folders() for file in (folder / "table").glob("*.yaml"))
    print(tabulate([_line(file) for file in files], ["table", "runs", "training", "sweep"], tablefmt="plain"))


def _line(file: Path) -> list[str]:
    sweep = read_yaml(file)["table"]["sweep"]
    swept = " x ".join(f"{len(values)} {key}" for key, values in sweep.items())
    stored = file.parents[2] / "results" / file.stem
    cost = readable(Report(stored).seconds) if stored.is_dir() else "?"
    return [file.stem, str(prod(map(len, sweep.values()))), cost, swept]
