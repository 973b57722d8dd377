"""The runs of a table that chooses hyperparameters on validation data: first the grids, then the chosen values."""

from collections.abc import Iterator
from itertools import groupby

from aeexp.app.sweep import Point, points
from aeexp.report.choice import Choice


def phases(sweep: list[Point]) -> Iterator[list[Point]]:
    """The points to run now; then, with their results on disk, those that take the values which were best.

    The first seed of a model that has a grid explores it, the others confirm what it chose. A key of a grid that the
    command line sets is not explored. Without `table.choose` there is one phase, the sweep.
    """
    choice = Choice.of((sweep[0].config["table"] or {}).get("choose"))
    if choice is None:
        yield sweep
        return
    plain: list[Point] = []
    searched: list[tuple[list[Point], dict[tuple[str, ...], Point]]] = []
    for _, seeds in groupby(sorted(sweep, key=_seedless), key=_seedless):
        group = list(seeds)
        grid = _grid(group[0], choice)
        if grid:
            searched.append((group[1:], grid))
        else:
            plain += group
    yield [*plain, *(point for _, grid in searched for point in grid.values())]
    confirmed = []
    for others, grid in searched:
        metrics = {words: point.run.metrics.get(choice.metric) for words, point in grid.items()}
        scores = {words: score for words, score in metrics.items() if score is not None}
        confirmed += [_with(point, choice.best(scores)) for point in others if scores]
    yield confirmed


def _grid(point: Point, choice: Choice) -> dict[tuple[str, ...], Point]:
    """The point at each combination of its model's grid, by the overrides; empty where nothing is to be chosen."""
    model = point.config["choices"]["model"]
    if not choice.grid.get(model) or choice.grid[model].keys() & point.config["overrides"].keys():
        return {}
    return {tuple(words): _with(point, words) for words in choice.overrides(model)}


def _with(point: Point, words: list[str] | tuple[str, ...]) -> Point:
    (made,) = points("train", [*point.overrides, *words])
    return made


def _seedless(point: Point) -> list[str]:
    return [word for word in point.overrides if not word.startswith("seed=")]
