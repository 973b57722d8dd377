"""Model selection: of each model's grid of hyperparameters, the values that are best on validation data.

`table.choose` says {metric, better, grid: {model: {key: [values]}}}. The runs of the first seed explore the grid; each
combination of the table's keys then takes the values whose `metric`, which must come from validation data, is best, and
the runs of the other seeds have these values alone. Runs with other values are left out of the table.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from aeexp.errors import UserError
from aeexp.report.collect import Row

Values = tuple[str, ...]  # of the keys of one model's grid, as text


@dataclass(frozen=True)
class Choice:
    """What a table chooses on validation data. `Choice.of` reads it."""

    metric: str
    better: str
    grid: dict[str, dict[str, list[Any]]]  # by model

    @classmethod
    def of(cls, node: dict[str, Any] | None) -> "Choice | None":
        """UserError where the node lacks a part, or its metric has no direction."""
        if node is None:
            return None
        if set(node) != {"metric", "better", "grid"} or node["better"] not in ("lower", "higher"):
            raise UserError(
                f"table.choose has {', '.join(node)}: choose a metric, better=lower or higher, and a grid of "
                "{model: {key: [values]}}"
            )
        return cls(**node)

    @property
    def keys(self) -> list[str]:
        """Every key of a grid."""
        return list(dict.fromkeys(key for keys in self.grid.values() for key in keys))

    def overrides(self, model: str) -> list[list[str]]:
        """The overrides of each combination of a model's grid; one empty list for a model without a grid."""
        keys = self.grid.get(model, {})
        return [[f"{k}={v}" for k, v in zip(keys, values, strict=True)] for values in product(*keys.values())]

    def best(self, scores: dict[Values, float]) -> Values:
        """The values with the best score; of equal ones the first of the grid."""
        return (min if self.better == "lower" else max)(scores, key=lambda values: scores[values])


def selected(rows: list[Row], keys: list[str], choice: Choice) -> tuple[list[Row], list[str]]:
    """The rows of the chosen values, and a sentence for each model and key of a grid that names these values.

    `keys` are the table's. A combination of them whose first seed has not been measured yet keeps all its rows.
    """
    groups: dict[tuple[str, Values], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["model"], tuple(row[key] for key in keys)].append(row)
    kept: list[Row] = []
    chosen: dict[str, list[str]] = defaultdict(list)
    for (model, place), group in groups.items():
        grid = list(choice.grid.get(model, {}))
        scores = _scores(group, grid, choice) if grid else {}
        if not scores:
            kept += group
            continue
        values = choice.best(scores)
        kept += [row for row in group if _values(row, grid) == values]
        named = " ".join(text for key, text in zip(keys, place, strict=True) if key != "model")
        chosen[model].append(", ".join(values) + f" ({named})" * bool(named))
    return kept, [_sentence(model, values, choice) for model, values in chosen.items()]


def _scores(group: Iterable[Row], grid: list[str], choice: Choice) -> dict[Values, float]:
    """The metric of the first seed at each combination of the grid."""
    measured = [row for row in group if row["metric"] == choice.metric and row["value"] is not None]
    first = min((row["seed"] for row in measured), key=lambda seed: (len(seed), seed), default=None)
    return {_values(row, grid): row["value"] for row in measured if row["seed"] == first}


def _values(row: Row, grid: list[str]) -> Values:
    return tuple(row[key] for key in grid)


def _sentence(model: str, values: list[str], choice: Choice) -> str:
    grid = "; ".join(f"{key} of {', '.join(map(str, each))}" for key, each in choice.grid[model].items())
    return f"{model}: {grid}; chosen on validation data ({choice.metric}, first seed): {', '.join(values)}."
