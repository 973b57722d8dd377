"""Which models of a column are the best: paired t-tests with Holm's correction.

The intervals in which one more run, such as a published one, would lie.
"""

import math
import statistics
from collections.abc import Mapping
from typing import TypeVar

from aeexp.report.cells import Cell, Line

LEVEL = 0.05  # of the tests of one column together, and of an interval
FEWEST = 3  # seeds of a cell that is ranked, and of a pair that is tested

Key = TypeVar("Key")


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


def holm(p_values: Mapping[Key, float], level: float = LEVEL) -> set[Key]:
    """The hypotheses that Holm's step-down procedure (1979) rejects: the k-th smallest of m p-values is compared with
    level / (m - k + 1), up to the first that is larger.
    """
    rejected: set[Key] = set()
    for n, key in enumerate(sorted(p_values, key=lambda key: p_values[key])):
        if p_values[key] > level / (len(p_values) - n):
            break
        rejected.add(key)
    return rejected


def best(column: dict[Line, Cell], better: str) -> tuple[set[Line], set[int]]:
    """The line with the best mean and all that the tests do not tell from it; the numbers of common seeds.

    Cells of fewer than FEWEST seeds, or with a run that diverged, are not ranked. Nothing is best of one.
    """
    means = {line: cell.mean for line, cell in column.items() if cell.finite and cell.n >= FEWEST}
    if len(means) < 2:
        return set(), set()
    first = (min if better == "lower" else max)(means, key=lambda line: means[line])
    p_values, pairs = {}, set()
    for line in means.keys() - {first}:
        one, other = column[first].by_seed, column[line].by_seed
        common = sorted(one.keys() & other.keys())
        if len(common) >= FEWEST:
            pairs.add(len(common))
            p_values[line] = p_value([one[seed] for seed in common], [other[seed] for seed in common])
    return means.keys() - holm(p_values), pairs


def prediction_interval(cell: Cell) -> tuple[float, float] | None:
    """Where one more run lies with a probability of 95 %: mean ± t(n-1, 0.975) s sqrt(1 + 1/n).

    None where the standard deviation s is not known.
    """
    from scipy.special import stdtrit

    if math.isnan(cell.std):
        return None
    half = float(stdtrit(cell.n - 1, 1 - LEVEL / 2)) * cell.std * math.sqrt(1 + 1 / cell.n)
    return cell.mean - half, cell.mean + half
