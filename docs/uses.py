"""results/uses.md: what autoencoders are used for, by the stored tables, beside what one would use without one."""

from pathlib import Path
from typing import Any

from markup import joined, table
from yaml_options import ROOT

from aeexp.files import read_yaml
from aeexp.report.cells import Cell
from aeexp.report.spec import Metric
from aeexp.report.sweep import Report

NOT_KEYS = ("metric", "name", "sign")


def page() -> str:
    """A row a use, of those whose table is stored."""
    uses = [use for use in read_yaml(ROOT / "docs" / "uses.yaml") if (folder(use) / "table.yaml").exists()]
    intro = (
        "# Uses\n\nWhat an autoencoder is worth where it is used, beside what one would use without one: mean ± "
        "standard deviation (n seeds) of a [stored table](README.md), the better mean bold. `docs/uses.yaml` names the "
        "model, which is not chosen by its result. Generated."
    )
    head = ("use", "command", "measure", "autoencoder", "", "instead", "")
    return joined([intro, table(head, [row(use) for use in uses])])


def folder(use: dict[str, Any]) -> Path:
    return ROOT / "results" / use["table"]


def row(use: dict[str, Any]) -> tuple[str, ...]:
    report = Report(folder(use))
    metrics = {metric.name: metric for metric in report.spec.metrics}
    shown = metrics[use["metric"]]
    chosen = use["ours"].get("model") or use["ours"].get("experiment")
    ours = cell(report, use["ours"], shown)
    instead = cell(report, use["instead"], metrics[use["instead"].get("metric", shown.name)])
    if not ours.n or not instead.n:
        raise SystemExit(f"docs/uses.yaml: results/{use['table']} has no run of {use['use']}")
    ahead = ours.mean > instead.mean if shown.better == "higher" else ours.mean < instead.mean
    measure, name = use.get("measure", shown.title), use["instead"]["name"]
    numbers = [each.text(shown.digits) for each in (ours, instead)]
    texts = [f"**{text}**" if best else text for text, best in zip(numbers, (ahead, not ahead), strict=True)]
    return use["use"], f"`aeexp train table={use['table']}`", measure, f"`{chosen}`", texts[0], name, texts[1]


def cell(report: Report, where: dict[str, Any], metric: Metric) -> Cell:
    """The seeds of these runs, in the units of the table"""
    wanted = {key: str(value) for key, value in where.items() if key not in NOT_KEYS}
    sign = where.get("sign", 1)
    return Cell(
        {
            row["seed"]: sign * metric.factor * row["value"]
            for row in report.rows
            if row["metric"] == metric.name and all(row[key] == value for key, value in wanted.items())
        }
    )
