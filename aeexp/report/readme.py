"""The parts of README.md that are not typed:  python -m aeexp.report.readme

The catalogue comes from configs/model, the tables from results/<table>, where `make results` keeps what a sweep left.
"""

import re
import shutil
import sys
from pathlib import Path

from aeexp.report.sweep import Report
from aeexp.runs.files import read_yaml

ROOT = Path(__file__).parents[2]
KEPT = ("table.yaml", "runs.csv", "table.png")


def catalogue() -> str:
    """A row for each option of `model`: its paper is the comment that opens the file."""
    rows = ["| kind | paper | files | command |", "|---|---|---|---|"]
    for file in sorted((ROOT / "configs" / "model").glob("*.yaml")):
        paper = re.search(r"^# (?!@)(.+)$", file.read_text(), re.M)
        code = _code(file.stem)
        files = f"[yaml](configs/model/{file.name}), [{code.name}]({code})"
        rows.append(f"| {file.stem} | {paper.group(1) if paper else ''} | {files} | `model={file.stem}` |")
    return "\n".join(rows)


def results(name: str) -> str:
    """The stored results of one table."""
    figure = ROOT / "results" / name / "table.png"
    picture = f"\n![{name}](results/{name}/table.png)\n" if figure.exists() else ""
    return re.sub(r"^## ", "### ", Report(ROOT / "results" / name).markdown()) + picture


def keep(folder: Path) -> None:
    """Copies what a sweep's table is made of into results/."""
    target = ROOT / "results" / folder.name
    target.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        if (folder / name).exists():
            shutil.copy(folder / name, target / name)


def filled(text: str) -> str:
    """`text` with everything between <!-- name --> and <!-- /name --> made anew."""
    parts = {"catalogue": catalogue(), "speed": (ROOT / "benchmarks" / "speed.md").read_text()}
    parts |= {folder.name: results(folder.name) for folder in (ROOT / "results").iterdir()}
    for name, content in parts.items():
        before, begin, rest = text.partition(f"<!-- {name} -->")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        text = f"{before}{begin}\n{content.strip()}\n{end}{after}" if end else text
    return text


def _code(kind: str) -> Path:
    node = read_yaml(ROOT / "configs" / "model" / f"{kind}.yaml")
    target = node.get("_target_") or node.get("model", {}).get("_target_")
    return Path(*target.split(".")[:-1]).with_suffix(".py") if target else _code("undercomplete")


if __name__ == "__main__":
    for sweep in sys.argv[1:]:
        keep(Path(sweep))
    (ROOT / "README.md").write_text(filled((ROOT / "README.md").read_text()))
