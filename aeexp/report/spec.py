"""The specification of a table: its rows, columns, metrics and published values, as in `configs/table/*.yaml`."""

import re
from dataclasses import dataclass, field, fields
from typing import Any

from aeexp.errors import UserError
from aeexp.report.choice import Choice

# The direction of a metric about which the table says nothing. Nats are not here: two likelihoods' do not compare.
DIRECTIONS = {"accuracy": "higher", "psnr": "higher", "ssim": "higher", "squared_error": "lower", "fvu": "lower"}
ELSEWHERE = {"sweep", "expected"}  # what else stands in a table's file


@dataclass(frozen=True)
class Metric:
    """One metric of a table. `Metric.of` reads it."""

    name: str
    title: str
    better: str | None  # lower, higher; None marks no best
    digits: int = 4
    factor: float = 1.0  # 100 shows a fraction in per cent
    unranked: list[str] = field(default_factory=list)  # rows that are best by definition, and do not compete

    @classmethod
    def of(cls, name: str, settings: dict[str, Any] | None = None) -> "Metric":
        """The default direction is that of the last part of the name, a number at its end left off."""
        direction = DIRECTIONS.get(re.sub(r"_[\d.]+$", "", name.rpartition("/")[2]))
        given = {"title": name, "better": direction, **(settings or {})}
        _check_names(cls, given, f"table.metrics.{name}")
        if given["better"] not in ("lower", "higher", None):
            raise UserError(f"table.metrics.{name}.better={given['better']}: choose lower, higher or null")
        return cls(name, **given)


@dataclass(frozen=True)
class Spec:
    """One table. `Spec.of` reads it."""

    title: str
    rows: list[str]  # keys: a group, or a dotted name
    columns: list[str]
    metrics: list[Metric]
    published: list[dict[str, Any]] = field(default_factory=list)  # where, metric, value, source
    sources: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    baselines: list[str] = field(default_factory=list)  # values of the first key, drawn in grey
    average: str | None = None  # a key, over whose values a last line is the mean
    curve: bool = False  # the metrics over the first of the columns' keys
    pareto: list[str] = field(default_factory=list)  # two metrics to draw against each other
    choose: Choice | None = None  # what of each model is chosen on validation data
    order: dict[str, list[str]] = field(default_factory=dict)  # of a key's values

    @classmethod
    def of(cls, node: dict[str, Any]) -> "Spec":
        """UserError where the table's file has a key that no table has."""
        _check_names(cls, {key: value for key, value in node.items() if key not in ELSEWHERE}, "table")
        metrics = [Metric.of(name, settings) for name, settings in node["metrics"].items()]
        unknown = [name for name in node.get("pareto", []) if name not in node["metrics"]]
        if unknown or len(node.get("pareto", [])) not in (0, 2):
            raise UserError(f"table.pareto={node['pareto']}: give two of {', '.join(node['metrics'])}")
        order = {key: list(map(str, values)) for key, values in node.get("sweep", {}).items()}
        kept = {key: value for key, value in node.items() if key not in ELSEWHERE}
        return cls(**{**kept, "metrics": metrics, "order": order, "choose": Choice.of(node.get("choose"))})

    @property
    def keys(self) -> list[str]:
        return [*self.rows, *self.columns]

    @property
    def chosen(self) -> list[str]:
        """The keys whose values are chosen on validation data."""
        return self.choose.keys if self.choose else []


def _check_names(cls: type, given: dict[str, Any], where: str) -> None:
    names = [f.name for f in fields(cls) if f.name not in ("name", "order")]
    unknown = [key for key in given if key not in names]
    if unknown:
        raise UserError(f"{where} has no {unknown[0]}: there are {', '.join(names)}")
