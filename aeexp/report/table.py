"""A metric as a table: a line for each combination of the rows' keys, the published values beside ours."""

from dataclasses import dataclass, field

from aeexp.report.averages import averaged
from aeexp.report.cells import ALONE, Cell, Line, cells
from aeexp.report.collect import DASH, Row
from aeexp.report.ranking import FEWEST, LEVEL, best, prediction_interval
from aeexp.report.spec import Metric, Spec

CONDITIONS = ("data", "labels")  # rows that differ in one of these do not compete: the task is another
INTERVAL = f"{100 * (1 - LEVEL):g} % interval"
PUBLISHED = ("published", "difference", INTERVAL)  # the columns beside one that has published values


@dataclass(frozen=True)
class Published:
    """A published value in the units shown, and the interval in which one run of ours lies."""

    value: float
    source: str
    cell: Cell

    def texts(self, digits: int) -> tuple[str, str, str]:
        """The value with its source's number, our mean less it, and the interval with inside or outside, as printed."""
        difference = f"{round(self.cell.mean - self.value, digits) + 0.0:+.{digits}f}" if self.cell.n else DASH
        interval = prediction_interval(self.cell)
        shown = DASH
        if interval:
            low, high = (round(end, digits) for end in interval)
            side = "inside" if low <= round(self.value, digits) <= high else "outside"
            shown = f"{low:.{digits}f} to {high:.{digits}f}: {side}"
        return f"{self.value:.{digits}f} [{self.source}]", difference, shown


@dataclass
class Column:
    """The cells of one combination of the columns' keys, line by line."""

    values: Line
    cells: list[Cell]
    best: set[int]  # lines
    published: list[Published | None]

    def beside(self, digits: int) -> list[tuple[str, str, str]]:
        """The texts of the PUBLISHED columns, line by line; nothing where no value of the column is published."""
        if not any(self.published):
            return []
        return [each.texts(digits) if each else (DASH, DASH, DASH) for each in self.published]


@dataclass
class Table:
    """One metric. `header`, `body` and `best` are its texts, with a column for each key of the rows."""

    metric: Metric
    row_keys: list[str]
    column_keys: list[str]
    lines: list[Line]
    columns: list[Column] = field(default_factory=list)
    pairs: set[int] = field(default_factory=set)  # how many common seeds the tests had
    unranked: bool = False  # whether a baseline, or too small a cell, was left out of the tests

    @property
    def title(self) -> str:
        return self.metric.title

    @property
    def header(self) -> list[str]:
        names = [*self.row_keys]
        for column in self.columns:
            keys = ", ".join(f"{key} {value}" for key, value in zip(self.column_keys, column.values, strict=True))
            names.append(keys or self.title)
            if any(column.published):
                names += [f"{name}, {keys}" if keys else name for name in PUBLISHED]
        return names

    @property
    def body(self) -> list[list[str]]:
        rows = [[*line] for line in self.lines]
        for column in self.columns:
            beside: list[tuple[str, ...]] = [*column.beside(self.metric.digits)] or [()] * len(rows)
            for row, cell, texts in zip(rows, column.cells, beside, strict=True):
                row += [cell.text(self.metric.digits), *texts]
        return rows

    @property
    def best(self) -> set[tuple[int, int]]:
        """(row, column) of the body"""
        marked, place = set(), len(self.row_keys)
        for column in self.columns:
            marked |= {(line, place) for line in column.best}
            place += 1 + len(PUBLISHED) * any(column.published)
        return marked

    @property
    def seeds(self) -> set[int]:
        """How many seeds the cells have that have any."""
        return {cell.n for column in self.columns for cell in column.cells if cell.n}


def table(rows: list[Row], expected: list[Row], spec: Spec, metric: Metric) -> Table:
    """The table of one metric; `expected` are the configurations that have a line whether they ran or not."""
    if spec.average is not None:
        rows = [*rows, *averaged(rows, expected, spec.keys, spec.average)]
    lines = ordered([*rows, *expected], spec.rows, spec)
    found = cells(rows, spec, metric)
    made = Table(metric, spec.rows, spec.columns, lines)
    for values in ordered([*rows, *expected], spec.columns, spec):
        column = {line: found.get((line, values), Cell()) for line in lines}
        marked = _marked(column, spec, made)
        where = [dict(zip(spec.keys, [*line, *values], strict=True)) for line in lines]
        published = [_published(spec, metric, at, cell) for at, cell in zip(where, column.values(), strict=True)]
        best_lines = {lines.index(line) for line in marked}
        made.columns.append(Column(values, list(column.values()), best_lines, published))
    return made


def footnotes(tables: list[Table]) -> list[str]:
    """What the marks of these tables mean."""
    cells_of = [cell for made in tables for column in made.columns for cell in column.cells]
    notes = [f"{ALONE} one seed: no deviation."] if any(cell.n == 1 for cell in cells_of) else []
    if any(any(column.published) for made in tables for column in made.columns):
        notes.insert(0, f"{INTERVAL}: where one run at our settings lies, mean ± t(n-1, 0.975) s sqrt(1 + 1/n).")
    if not any(made.best for made in tables):
        return notes
    left_out = f" Baselines, and cells of fewer than {FEWEST} seeds, are not ranked." * any(t.unranked for t in tables)
    pairs = set().union(*(made.pairs for made in tables))
    if not pairs:
        return [f"Bold: no two of these cells have {FEWEST} common seeds, so that none could be tested.", *notes]
    from scipy.special import stdtrit

    fewest = min(pairs)
    needed = float(stdtrit(fewest - 1, 1 - LEVEL / 2)) / fewest**0.5
    return [
        "Bold: the best mean of a column, and every mean that paired t-tests over the common seeds do not tell from it "
        f"(two-sided, {100 * LEVEL:g} % for a column together, Holm's correction).{left_out} With {fewest} seeds one "
        f"such test tells only what is {needed:.1f} standard deviations of the paired differences apart: bold is not "
        "shown to be worse, which is less than equal.",
        *notes,
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


def _marked(column: dict[Line, Cell], spec: Spec, made: Table) -> set[Line]:
    """The best lines, among those of the same data and labels. Baselines, and what is unranked, do not compete."""
    if made.metric.better is None:
        return set()
    apart = [n for n, key in enumerate(spec.rows) if key.split(".")[0] in CONDITIONS]
    groups: dict[Line, dict[Line, Cell]] = {}
    for line, cell in column.items():
        competes = line[0] not in made.metric.unranked and line[0] not in spec.baselines
        made.unranked |= not competes or 0 < cell.n < FEWEST
        if competes:
            groups.setdefault(tuple(line[n] for n in apart), {})[line] = cell
    marked: set[Line] = set()
    for group in groups.values():
        lines, tested = best(group, made.metric.better)
        marked |= lines
        made.pairs |= tested
    return marked


def _published(spec: Spec, metric: Metric, where: dict[str, str], cell: Cell) -> Published | None:
    for entry in spec.published:
        if entry["metric"] == metric.name and all(where.get(k) == str(v) for k, v in entry["where"].items()):
            return Published(entry["value"] * metric.factor, str(entry["source"]), cell)
    return None
