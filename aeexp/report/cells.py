"""One cell of a table, mean ± standard deviation (n), and which cells of a column are the best."""

import math
import statistics
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from aeexp.report.collect import DASH, Row
from aeexp.report.spec import Metric, Spec

LEVEL = 0.05  # of the test
ALONE = "†"  # marks one seed

Line = tuple[str, ...]  # the values of the rows' keys, or of the columns'


@dataclass(frozen=True)
class Cell:
    """The runs of one configuration, one metric, in the units shown."""

    samples: tuple[tuple[str, float], ...] = ()  # (seed, value)
    failed: int = 0  # runs that failed without a value

    @property
    def n(self) -> int:
        return len(self.samples)

    @cached_property
    def mean(self) -> float:
        return math.fsum(value for _, value in self.samples) / self.n if self.finite else math.nan

    @cached_property
    def std(self) -> float:
        """n - 1 in the denominator; nan where there are less than two runs, or one diverged."""
        return statistics.stdev(value for _, value in self.samples) if self.n > 1 and self.finite else math.nan

    @cached_property
    def finite(self) -> bool:
        return self.n > 0 and all(math.isfinite(value) for _, value in self.samples)

    @cached_property
    def by_seed(self) -> dict[str, float]:
        return dict(self.samples)

    def text(self, digits: int) -> str:
        """One seed has no deviation and is marked; nothing at all is a dash."""
        lost = f"{self.failed} failed" if self.failed else ""
        if not self.n:
            return lost or DASH
        deviation = f" ± {self.std:.{digits}f}" if self.n > 1 else ALONE
        return f"{self.mean:.{digits}f}{deviation} ({self.n})" + (f", {lost}" if lost else "")


def cells(rows: list[Row], spec: Spec, metric: Metric) -> dict[tuple[Line, Line], Cell]:
    """A cell for each line and column that a run is of."""
    samples: dict[tuple[Line, Line], list[tuple[str, float]]] = defaultdict(list)
    failed: dict[tuple[Line, Line], set[str]] = defaultdict(set)
    measured = {row["run"] for row in rows if row["metric"] == metric.name}
    for row in rows:
        place = tuple(row[key] for key in spec.rows), tuple(row[key] for key in spec.columns)
        if row["metric"] == metric.name:
            samples[place].append((row["seed"], row["value"] * metric.factor))
        elif row["state"] == "failed" and row["run"] not in measured:
            failed[place].add(row["run"])
    places = dict.fromkeys([*samples, *failed])
    return {place: Cell(tuple(samples[place]), len(failed[place])) for place in places}


def p_value(one: list[float], other: list[float]) -> float:
    """Two-sided paired t-test, as scipy.stats.ttest_rel, which costs a second to import. At least two pairs.

    Where every difference is the same there is nothing to test: 1 if it is 0, else 0.
    """
    from scipy.special import stdtr

    differences = [a - b for a, b in zip(one, other, strict=True)]
    spread, mean, n = statistics.stdev(differences), statistics.fmean(differences), len(differences)
    if spread == 0:
        return float(mean == 0)
    return float(2 * stdtr(n - 1, -abs(mean) / spread * math.sqrt(n)))


def best(column: dict[Line, Cell], better: str) -> tuple[set[Line], set[int]]:
    """The best mean's line, and those that the test does not tell from it; the numbers of common seeds it had."""
    means = {line: cell.mean for line, cell in column.items() if cell.finite}
    if not means:
        return set(), set()
    first = (min if better == "lower" else max)(means, key=lambda line: means[line])
    marked, pairs = {first}, set()
    for line in means.keys() - {first}:
        one, other = column[first].by_seed, column[line].by_seed
        common = sorted(one.keys() & other.keys())
        if len(common) > 1:
            pairs.add(len(common))
            if p_value([one[seed] for seed in common], [other[seed] for seed in common]) >= LEVEL:
                marked.add(line)
    return marked, pairs
