"""What a table shows; `configs/table/*.yaml` says it."""

import re
from dataclasses import dataclass, field, fields
from typing import Any

from aeexp.errors import UserError

# The direction of a metric about which the table says nothing. Nats are not here: two likelihoods' do not compare.
PLAIN = {"accuracy": "higher", "psnr": "higher", "ssim": "higher", "squared_error": "lower"}
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
        """Without a word about it, the direction is that of the last part of the name, a number at its end left off."""
        plain = PLAIN.get(re.sub(r"_[\d.]+$", "", name.rpartition("/")[2]))
        given = {"title": name, "better": plain, **(settings or {})}
        _known(cls, given, f"table.metrics.{name}")
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
    order: dict[str, list[str]] = field(default_factory=dict)  # of a key's values

    @classmethod
    def of(cls, node: dict[str, Any]) -> "Spec":
        """UserError where the table's file says what no table understands."""
        _known(cls, {key: value for key, value in node.items() if key not in ELSEWHERE}, "table")
        metrics = [Metric.of(name, settings) for name, settings in node["metrics"].items()]
        anomalous = [name for name in node.get("pareto", []) if name not in node["metrics"]]
        if anomalous or len(node.get("pareto", [])) not in (0, 2):
            raise UserError(f"table.pareto={node['pareto']}: give two of {', '.join(node['metrics'])}")
        order = {key: list(map(str, values)) for key, values in node.get("sweep", {}).items()}
        kept = {key: value for key, value in node.items() if key not in ELSEWHERE}
        return cls(**{**kept, "metrics": metrics, "order": order})

    @property
    def keys(self) -> list[str]:
        return [*self.rows, *self.columns]


def _known(cls: type, given: dict[str, Any], where: str) -> None:
    names = [f.name for f in fields(cls) if f.name not in ("name", "order")]
    anomalous = [key for key in given if key not in names]
    if anomalous:
        raise UserError(f"{where} has no {anomalous[0]}: there are {', '.join(names)}")
