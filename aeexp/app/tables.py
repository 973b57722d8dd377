"""aeexp table ls: the tables that there are, what each sweeps, and how long its runs trained where it is stored."""

import argparse
import csv
from math import prod
from pathlib import Path

from tabulate import tabulate

from aeexp.app.packages import folders
from aeexp.app.watch import readable
from aeexp.files import read_yaml


def main() -> None:
    parser = argparse.ArgumentParser("aeexp table", description=__doc__)
    parser.add_argument("command", choices=["ls"], help="a line for each table=")
    parser.parse_args()
    files = sorted(file for folder in folders() for file in (folder / "table").glob("*.yaml"))
    print(tabulate([_line(file) for file in files], ["table", "runs", "training", "sweep"], tablefmt="plain"))


def _line(file: Path) -> list[str]:
    sweep = read_yaml(file)["table"]["sweep"]
    seconds = trained_for(file.parents[2] / "results" / file.stem / "runs.csv")
    swept = " x ".join(f"{len(values)} {key}" for key, values in sweep.items())
    return [file.stem, str(prod(map(len, sweep.values()))), readable(seconds) if seconds else "?", swept]


def trained_for(runs: Path) -> float:
    """Seconds that the runs of a stored table trained, in all; 0 where none is stored."""
    if not runs.exists():
        return 0.0
    with runs.open(newline="", encoding="utf-8") as lines:
        return sum(float(row["value"]) for row in csv.DictReader(lines) if row["metric"] == "training/seconds")
