"""Which runs a report is of: --where model=vae,deep keeps the runs of these values."""

from collections.abc import Sequence

from aeexp.errors import UserError
from aeexp.report.collect import DASH, Row, Runs


def parsed(where: Sequence[str]) -> dict[str, set[str]]:
    """The values that are wanted of each key."""
    wanted: dict[str, set[str]] = {}
    for key, _, values in (text.partition("=") for text in where):
        wanted.setdefault(key, set()).update(values.split(","))
    return wanted


def check_keys(keys: Sequence[str], runs: Runs) -> None:
    """UserError where no run has one of the keys."""
    for key in keys:
        if key not in runs.keys and all(row.get(key, DASH) == DASH for row in runs.rows):
            raise UserError(f"{key} is no key of these runs; there are {', '.join(runs.keys)}, and dotted ones")


def kept(runs: Runs, wanted: dict[str, set[str]]) -> list[Row]:
    """The rows of the runs that have all of it. UserError where no run has one of the values, or all of them."""
    rows = [row for row in runs.rows if all(row[key] in values for key, values in wanted.items())]
    for key, values in wanted.items():
        there = dict.fromkeys(row[key] for row in runs.rows)
        unknown = sorted(values - there.keys())
        if unknown:
            raise UserError(f"--where {key}={unknown[0]}: there is {', '.join(there)}")
    if wanted and not rows:
        raise UserError("no run has all that --where asks for")
    return rows
