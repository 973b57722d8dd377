"""A metric as a table of text, with the published values beside ours."""

from dataclasses import dataclass, field
from typing import Any

from aeexp.report.averages import averaged
from aeexp.report.cells import ALONE, LEVEL, Cell, Line, best, cells
from aeexp.report.collect import DASH, Row
from aeexp.report.spec import Metric, Spec

CONDITIONS = ("data", "labels")  # rows that differ in one of these do not compete: the task is another
WITHIN = 2  # standard deviations


@dataclass
class Table:
    title: str
    header: list[str]
    lines: list[Line]  # of the body: the values of the rows' keys
    body: list[list[str]] = field(default_factory=list)
    best: set[tuple[int, int]] = field(default_factory=set)  # (row, column) of the body
    pairs: set[int] = field(default_factory=set)  # how many common seeds the tests had

    def column(self, name: str, texts: list[str]) -> None:
        self.header.append(name)
        for row, text in zip(self.body, texts, strict=True):
            row.append(text)


def table(rows: list[Row], expected: list[Row], spec: Spec, metric: Metric) -> Table:
    """A line for each combination of the rows' keys, a column for each of the columns' keys.

    A column with published values is followed by them, by the difference, and by whether they lie within WITHIN of
    our standard deviations.
    """
    if spec.average is not None:
        rows = [*rows, *averaged(rows, expected, spec.keys, spec.average)]
    lines = ordered([*rows, *expected], spec.rows, spec)
    found = cells(rows, spec, metric)
    made = Table(metric.title, [" ".join(spec.rows)], lines, [[" ".join(line)] for line in lines])
    for column in ordered([*rows, *expected], spec.columns, spec):
        mine = {line: found.get((line, column), Cell()) for line in lines}
        name = ", ".join(f"{key} {value}" for key, value in zip(spec.columns, column, strict=True)) or metric.title
        for line in _marked(mine, spec, metric, made.pairs):
            made.best.add((lines.index(line), len(made.header)))
        made.column(name, [cell.text(metric.digits) for cell in mine.values()])
        where = [dict(zip(spec.keys, [*line, *column], strict=True)) for line in lines]
        published = [_published(spec, metric, point) for point in where]
        if any(published):
            beside = [_beside(entry, cell, metric) for entry, cell in zip(published, mine.values(), strict=True)]
            for n, title in enumerate(("published", "difference", f"within {WITHIN} std")):
                made.column(f"{title}, {name}" if spec.columns else title, [texts[n] for texts in beside])
    return made


def footnotes(tables: list[Table]) -> list[str]:
    """What the marks of these tables mean."""
    texts = [text for made in tables for row in made.body for text in row]
    alone = [f"{ALONE} one seed: no deviation."] if any(ALONE in text for text in texts) else []
    if not any(made.best for made in tables):
        return alone
    pairs = set().union(*(made.pairs for made in tables))
    if not pairs:
        return ["Bold: the best mean of a column; without two common seeds nothing could be tested.", *alone]
    from scipy.special import stdtrit

    fewest = min(pairs)
    needed = float(stdtrit(fewest - 1, 1 - LEVEL / 2)) / fewest**0.5
    return [
        "Bold: the best mean of a column, and all that a paired t-test over the common seeds does not tell from it "
        f"(two-sided, {100 * LEVEL:g} %, not corrected for many comparisons). With {fewest} seeds it tells only what "
        f"is {needed:.1f} standard deviations of the paired differences apart: bold is not shown to be worse, which is "
        "less than equal.",
        *alone,
    ]


def ordered(rows: list[Row], keys: list[str], spec: Spec) -> list[Line]:
    """The combinations of the keys' values, in the order in which the sweep names them, numbers by size."""
    ranks = {key: {value: n for n, value in enumerate(spec.order.get(key, []))} for key in keys}

    def rank(line: Line) -> list[tuple[float, int, str]]:
        return [_rank(value, ranks[key]) for key, value in zip(keys, line, strict=True)]

    return sorted({tuple(row[key] for key in keys) for row in rows}, key=rank)


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _rank(value: str, order: dict[str, int]) -> tuple[float, int, str]:
    size = number(value)
    return (0.0, order.get(value, len(order)), value) if size is None else (size, 0, value)


def _marked(mine: dict[Line, Cell], spec: Spec, metric: Metric, pairs: set[int]) -> set[Line]:
    """The best lines, among those of the same data and labels."""
    if metric.better is None:
        return set()
    apart = [n for n, key in enumerate(spec.rows) if key.split(".")[0] in CONDITIONS]
    groups: dict[Line, dict[Line, Cell]] = {}
    for line, cell in mine.items():
        if line[0] not in metric.unranked:
            groups.setdefault(tuple(line[n] for n in apart), {})[line] = cell
    marked: set[Line] = set()
    for group in groups.values():
        lines, tested = best(group, metric.better) if len(group) > 1 else (set(), set())
        marked |= lines
        pairs |= tested
    return marked


def _published(spec: Spec, metric: Metric, where: dict[str, str]) -> dict[str, Any] | None:
    for entry in spec.published:
        if entry["metric"] == metric.name and all(where.get(k) == str(v) for k, v in entry["where"].items()):
            return entry
    return None


def _beside(entry: dict[str, Any] | None, cell: Cell, metric: Metric) -> tuple[str, str, str]:
    """The published value with its source's number, the difference, and whether it lies within our deviations."""
    if entry is None:
        return DASH, DASH, DASH
    value = entry["value"] * metric.factor
    difference = f"{cell.mean - value:+.{metric.digits}f}" if cell.n else DASH
    inside = ("yes" if abs(cell.mean - value) <= WITHIN * cell.std else "no") if cell.n > 1 else DASH
    return f"{value:.{metric.digits}f} [{entry['source']}]", difference, inside
