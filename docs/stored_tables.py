"""The stored tables: what is kept of a sweep in results/, and results/README.md."""

import csv
import io
from pathlib import Path

from yaml_options import CONFIGS, ROOT

from aeexp.app.watch import readable
from aeexp.files import read_yaml, write, write_yaml
from aeexp.report.forms import markdown
from aeexp.report.sweep import Report
from aeexp.report.table import footnotes

AS_RUN = ("title", "sweep", "notes", "expected")  # what the sweep's own table knows better than configs/table
SHOWN = ("table.md", "table.png", "pareto.png")
LINKS = {
    "table.md": "all metrics",
    "pareto.png": "two metrics against each other",
    "runs.csv": "a row a run",
}


def keep(folder: Path) -> None:
    """Keeps in results/ what a sweep's table is made of, and the table, shown as configs/table says by now."""
    target = ROOT / "results" / folder.name
    announced = read_yaml(folder / "table.yaml")
    stated = read_yaml(CONFIGS / "table" / f"{folder.name}.yaml").get("table", {})
    as_run = {key: announced[key] for key in AS_RUN if key in announced}
    rows, earlier = Report(folder).files(pictures=False)["runs.csv"], target / "runs.csv"
    if earlier.exists():
        rows = both(earlier.read_text("utf-8"), rows)
        before = read_yaml(target / "table.yaml")["sweep"]
        as_run["sweep"] = {
            key: [*dict.fromkeys([*before.get(key, []), *values])] for key, values in as_run["sweep"].items()
        }
    write_yaml(target / "table.yaml", {**announced, **stated, **as_run})
    write(target / "runs.csv", rows)
    files = Report(target).files()
    for name in files.keys() & set(SHOWN):
        write(target / name, files[name])


def both(earlier: str, rows: str) -> str:
    """A runs.csv, before it the rows of an earlier one at other points of the same sweep: seeds that another machine
    has run, and that this one need not run again."""
    old, new = (list(csv.reader(io.StringIO(text))) for text in (earlier, rows))
    if old[0] != new[0]:
        return rows
    width = new[0].index("run")
    points = {tuple(row[:width]) for row in new}
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [new[0], *(row for row in old[1:] if tuple(row[:width]) not in points), *new[1:]]
    )
    return text.getvalue()


def index() -> str:
    """results/README.md: each stored table by its title, its picture or its first metric, and its command."""
    intro = (
        "# Results\n\nEach table is made by `make results` from the runs of its command: our mean ± standard deviation "
        "over seeds, the published value and the difference. No number is typed. Generated; what a table sweeps and "
        "measures is in [its catalogue](../docs/catalogue/tables.md)."
    )
    folders = sorted(file.parent for file in (ROOT / "results").glob("*/table.yaml"))
    return "\n\n".join([intro, *map(_section, folders)]) + "\n"


def _section(folder: Path) -> str:
    report, name = Report(folder), folder.name
    first = report.tables()[:1]
    there = [f"[{title}]({name}/{file})" for file, title in LINKS.items() if (folder / file).exists()]
    drawn = (folder / "table.png").exists() and not report.spec.published
    shown = [] if drawn else first
    runs = f"{len({row['run'] for row in report.rows})} runs"
    notes = [f"![{report.spec.title}]({name}/table.png)"] if drawn else footnotes(first)
    text = markdown(report.spec.title, shown, [])
    parts = [
        text.strip(),
        *notes,
        *report.notes,
        *report.troubles(),
        f"`aeexp train table={name}`: {runs}, which trained for {readable(report.seconds)} in all. "
        f"More: {', '.join(there)}.",
    ]
    return "\n\n".join(parts)
