"""The parts of README.md that are not typed, and the list of protocols:  python -m aeexp.report.readme

The catalogue comes from configs/model, the tables from results/<table>, where `make results` keeps what a sweep left,
the protocols from configs/evaluation and the first sentence of each one's file.
"""

import ast
import re
import sys
from pathlib import Path

from aeexp.files import read_yaml, write, write_yaml
from aeexp.report.forms import markdown
from aeexp.report.sweep import Report
from aeexp.report.table import footnotes

ROOT = Path(__file__).parents[2]
PROTOCOLS = ROOT / "aeexp" / "evaluation" / "README.md"
AS_RUN = ("title", "sweep", "expected")  # what the sweep's own table knows better than configs/table
SHOWN = ("table.md", "table.png", "pareto.png")


def catalogue() -> str:
    """A row for each option of `model`: its paper is the comment that opens the file."""
    rows = ["| model | paper | files | command |", "|---|---|---|---|"]
    for file in sorted((ROOT / "configs" / "model").glob("*.yaml")):
        paper = re.search(r"^# (?!@)(.+)$", file.read_text(), re.M)
        code = _code(file.stem)
        files = f"[yaml](configs/model/{file.name}), [{code.name}]({code})"
        rows.append(f"| {file.stem} | {paper.group(1) if paper else ''} | {files} | `model={file.stem}` |")
    return "\n".join(rows)


def protocols() -> str:
    """A row for each option of `evaluation` that is one protocol."""
    rows = ["| protocol | what it asks | settings |", "|---|---|---|"]
    for file in sorted((ROOT / "configs" / "evaluation").glob("*.yaml")):
        if target := read_yaml(file).get("_target_"):
            code = Path(*target.split(".")[:-1]).with_suffix(".py")
            asked = (ast.get_docstring(ast.parse((ROOT / code).read_text())) or "").splitlines()[0].replace("|", "\\|")
            rows.append(f"| [{file.stem}]({code.name}) | {asked} | [yaml](../../configs/evaluation/{file.name}) |")
    return "\n".join(["# What can be asked of a run", "", *rows, ""])


def speed() -> str:
    """The ratios of benchmarks/speed.md in a sentence, and on what they were measured."""
    table, machine = (ROOT / "benchmarks" / "speed.md").read_text().strip().split("\n\n")
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    told = (
        f"{name} {ratio.split()[0]} (target {target}{'' if met == 'yes' else ', not met'})"
        for name, _, _, ratio, target, met in rows
    )
    return f"{'; '.join(told)}. {machine}. All of it: [benchmarks/speed.md](benchmarks/speed.md)."


def results(name: str) -> str:
    """The stored results of one table: where values were published its first metric, its curves, where the rest is."""
    report, place = Report(ROOT / "results" / name), f"results/{name}"
    first = report.tables()[:1] if report.spec.published else []
    there = {"all metrics": "table.md", "two metrics against each other": "pareto.png", "a row a run": "runs.csv"}
    links = [f"[{title}]({place}/{file})" for title, file in there.items() if (ROOT / place / file).exists()]
    more = f"More: {', '.join(links)}."
    notes = [" ".join([*footnotes(first), *report.notes, *report.troubles(), more])]
    if (ROOT / place / "table.png").exists():
        notes.append(f"![{name}]({place}/table.png)")
    return re.sub(r"^## (.*)\n\n", r"### \1\n", markdown(report.spec.title, first, notes))


def keep(folder: Path) -> None:
    """Keeps in results/ what a sweep's table is made of, and the table, shown as configs/table says by now."""
    target = ROOT / "results" / folder.name
    announced = read_yaml(folder / "table.yaml")
    said = read_yaml(ROOT / "configs" / "table" / f"{folder.name}.yaml").get("table", {})
    as_run = {key: announced[key] for key in AS_RUN if key in announced}
    write_yaml(target / "table.yaml", {**announced, **said, **as_run})
    write(target / "runs.csv", Report(folder).files(pictures=False)["runs.csv"])
    files = Report(target).files()
    for name in files.keys() & set(SHOWN):
        write(target / name, files[name])


def filled(text: str) -> str:
    """`text` with everything between <!-- name --> and <!-- /name --> made anew."""
    parts = {"catalogue": catalogue(), "speed": speed()}
    parts |= {file.parent.name: results(file.parent.name) for file in (ROOT / "results").glob("*/table.yaml")}
    for name, content in parts.items():
        before, begin, rest = text.partition(f"<!-- {name} -->")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        text = f"{before}{begin}\n{content.strip()}\n{end}{after}" if end else text
    return text


def _code(model: str) -> Path:
    node = read_yaml(ROOT / "configs" / "model" / f"{model}.yaml")
    target = node.get("_target_") or node.get("model", {}).get("_target_")
    return Path(*target.split(".")[:-1]).with_suffix(".py") if target else _code("undercomplete")


if __name__ == "__main__":
    for sweep in sys.argv[1:]:
        keep(Path(sweep))
    PROTOCOLS.write_text(protocols())
    (ROOT / "README.md").write_text(filled((ROOT / "README.md").read_text()))
