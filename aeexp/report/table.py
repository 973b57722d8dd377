"""Mean, deviation and n over seeds, with the published values beside them."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

DASH = "—"


@dataclass(frozen=True)
class Metric:
    name: str
    title: str
    digits: int = 3
    factor: float = 1.0  # 100 shows a fraction in per cent


@dataclass(frozen=True)
class Spec:
    """What a table shows; `configs/table/*.yaml` says it."""

    title: str
    rows: list[str]
    columns: list[str]
    metrics: list[Metric]
    published: list[dict[str, Any]] = field(default_factory=list)  # where, metric, value, source
    sources: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    baselines: list[str] = field(default_factory=list)
    curve: bool = False
    order: dict[str, list[str]] = field(default_factory=dict)  # of a key's values

    @classmethod
    def of(cls, node: dict[str, Any]) -> "Spec":
        metrics = [Metric(name, **settings) for name, settings in node["metrics"].items()]
        known = {key: node[key] for key in cls.__dataclass_fields__ if key in node}
        order = {key: list(map(str, values)) for key, values in node.get("sweep", {}).items()}
        return cls(**{**known, "metrics": metrics, "order": order})


def statistics(runs: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Per metric and combination of keys: mean, std (n - 1 in the denominator), n."""
    measured = runs.dropna(subset=["metric"])
    grouped = measured.groupby(["metric", *keys], dropna=False, sort=False)["value"]
    return grouped.agg(mean="mean", std="std", n="count").reset_index()


def wide(runs: pd.DataFrame, expected: pd.DataFrame, spec: Spec, metric: Metric, extra: list[str]) -> pd.DataFrame:
    """One metric as text: a line for each combination of the rows' keys, a column for each of the columns' keys.

    A column with published values is followed by them and by the difference.
    """
    rows = [*spec.rows, *extra]
    points = pd.concat([runs, expected])[[*rows, *spec.columns]].drop_duplicates()
    lines = ordered(points, rows, spec)
    columns = ordered(points, spec.columns, spec) if spec.columns else [()]
    table: dict[str, list[str]] = {}
    for column in columns:
        cells: list[str] = []
        theirs: list[str] = []
        differences: list[str] = []
        for line in lines:
            where = dict(zip([*rows, *spec.columns], [*line, *column], strict=True))
            chosen = runs[(runs[list(where)] == pd.Series(where)).all(axis=1)] if where else runs
            values = chosen.loc[chosen["metric"] == metric.name, "value"].dropna() * metric.factor
            failed = chosen.loc[chosen["state"] == "failed", "run"].nunique()
            cells.append(cell(values, failed, metric.digits))
            value, source = _published(spec, metric, where)
            theirs.append(DASH if value is None else f"{value:.{metric.digits}f} [{source}]")
            differences.append(DASH if value is None or values.empty else f"{values.mean() - value:+.{metric.digits}f}")
        name = ", ".join(f"{key} {value}" for key, value in zip(spec.columns, column, strict=True)) or metric.title
        table[name] = cells
        if any(text != DASH for text in theirs):
            table[f"published, {name}"], table[f"difference, {name}"] = theirs, differences
    return pd.DataFrame(table, index=pd.Index([" ".join(line) for line in lines], name=" ".join(rows)))


def cell(values: pd.Series, failed: int, digits: int) -> str:
    """mean ± std (n); one seed has no deviation; nothing at all is a dash."""
    lost = f"{failed} failed" if failed else ""
    if values.empty:
        return lost or DASH
    deviation = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{deviation} ({len(values)})" + (f", {lost}" if lost else "")


def ordered(points: pd.DataFrame, keys: list[str], spec: Spec) -> list[tuple[str, ...]]:
    """The combinations of the keys' values, in the order in which the sweep names them, numbers by size."""

    def rank(line: tuple[str, ...]) -> list[tuple[float, int, str]]:
        return [_rank(value, spec.order.get(key, [])) for key, value in zip(keys, line, strict=True)]

    return sorted(set(points[keys].astype(str).itertuples(index=False, name=None)), key=rank)


def _rank(value: str, order: list[str]) -> tuple[float, int, str]:
    try:
        return float(value), 0, value
    except ValueError:
        return 0.0, order.index(value) if value in order else len(order), value


def _published(spec: Spec, metric: Metric, where: dict[str, str]) -> tuple[float | None, str]:
    for entry in spec.published:
        if entry["metric"] == metric.name and all(where.get(k) == str(v) for k, v in entry["where"].items()):
            return entry["value"] * metric.factor, str(entry["source"])
    return None, ""
