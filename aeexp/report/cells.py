"""One cell of a table: mean ± standard deviation (n seeds)."""

import math
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property

from aeexp.report.collect import DAMAGED, DASH, Row
from aeexp.report.spec import Metric, Spec

ALONE = "†"  # marks one seed
LOST = ("failed", DAMAGED)  # states of runs without a value, which a cell counts

Line = tuple[str, ...]  # the values of the rows' keys, or of the columns'


@dataclass(frozen=True)
class Cell:
    """The seeds of one configuration, one metric, in the units shown."""

    by_seed: dict[str, float] = field(default_factory=dict)
    lost: tuple[str, ...] = ()  # the states of the runs without a value

    @property
    def n(self) -> int:
        return len(self.by_seed)

    @cached_property
    def mean(self) -> float:
        return math.fsum(self.by_seed.values()) / self.n if self.finite else math.nan

    @cached_property
    def std(self) -> float:
        """n - 1 in the denominator; nan where there are fewer than two seeds, or one diverged."""
        return statistics.stdev(self.by_seed.values()) if self.n > 1 and self.finite else math.nan

    @cached_property
    def finite(self) -> bool:
        return self.n > 0 and all(map(math.isfinite, self.by_seed.values()))

    @property
    def losses(self) -> str:
        return ", ".join(f"{self.lost.count(state)} {state}" for state in LOST if state in self.lost)

    def text(self, digits: int) -> str:
        """One seed has no deviation and is marked; nothing at all is a dash."""
        if not self.n:
            return self.losses or DASH
        deviation = f" ± {self.std:.{digits}f}" if self.n > 1 else ALONE
        return f"{self.mean:.{digits}f}{deviation} ({self.n})" + (f", {self.losses}" if self.lost else "")


def cells(rows: list[Row], spec: Spec, metric: Metric) -> dict[tuple[Line, Line], Cell]:
    """A cell for each line and column that a run is of. Of two runs of one seed the last row counts."""
    seeds: dict[tuple[Line, Line], dict[str, float]] = defaultdict(dict)
    lost: dict[tuple[Line, Line], dict[str, str]] = defaultdict(dict)
    measured = {row["run"] for row in rows if row["metric"] == metric.name}
    for row in rows:
        place = tuple(row[key] for key in spec.rows), tuple(row[key] for key in spec.columns)
        if row["metric"] == metric.name:
            seeds[place][row["seed"]] = row["value"] * metric.factor
        elif row["state"] in LOST and row["run"] not in measured:
            lost[place][row["run"]] = row["state"]
    places = dict.fromkeys([*seeds, *lost])
    return {place: Cell(seeds[place], tuple(lost[place].values())) for place in places}
