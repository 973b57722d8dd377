"""A sweep's directory: the table that was announced for it, and the files that are made of its runs."""

import time
from pathlib import Path
from typing import Any

from aeexp.errors import UserError
from aeexp.files import write, write_yaml
from aeexp.report.collect import parameter
from aeexp.report.report import Report
from aeexp.report.spec import Spec

__all__ = ["Report", "announce", "form_of", "refresh", "show_page"]

OFTEN, PICTURES = 5.0, 60.0  # seconds between two tables, and between two pictures, while a sweep runs
FORMS = {".md": "markdown", ".csv": "csv", ".tex": "latex", ".html": "html"}  # by the ending of a file


def announce(folder: Path, node: dict[str, Any], configs: list[dict[str, Any]]) -> None:
    """Keeps what a table shows, and every run that belongs in it, so that what is missing can be seen.

    UserError where the table's file says what no table understands.
    """
    keys = Spec.of(node).keys
    points = [{key: parameter(config, key) for key in keys} for config in configs]
    expected = [dict(point) for point in dict.fromkeys(tuple(point.items()) for point in points)]
    write_yaml(folder / "table.yaml", {**node, "expected": expected})


def refresh(folder: Path, force: bool = False) -> str:
    """Rewrites the table's files from disk, unless that was just done; the text to show.

    The page takes longer than the rest, a thumbnail of each picture, and is made where `force` says that it is time.
    """
    if not force and _young(folder / "table.md", OFTEN):
        return ""
    report = Report(folder)
    paths = write_all(report, folder, pictures=force or not _young(folder / "table.png", PICTURES))
    if force:
        paths.append(write_page(report, folder))
    return "\n".join(["", report.form("markdown"), *map(str, paths)])


def show_page(folder: Path) -> str:
    """Makes index.html of the runs below the folder, and says where it is."""
    return str(write_page(Report(folder), folder))


def write_all(report: Report, folder: Path, pictures: bool = True) -> list[Path]:
    """Writes all files of the table but its page into the folder, and gives their paths."""
    files = report.files(pictures)
    for name, content in files.items():
        write(folder / name, content)
    return [folder / name for name in files]


def write_page(report: Report, folder: Path) -> Path:
    """Writes index.html into the folder, and gives its path."""
    write(folder / "index.html", form(report, "html", folder))
    return folder / "index.html"


def form(report: Report, name: str, place: Path) -> str:
    """markdown, csv, latex or html; the links of a page go out from `place`, the folder that it is for."""
    if name != "html":
        return report.form(name)
    from aeexp.report.page import page

    return page(report, place)


def form_of(file: Path) -> str:
    """The form that the ending of a file's name asks for."""
    if file.suffix not in FORMS:
        raise UserError(f"--output {file}: choose a name that ends with {', '.join(FORMS)}, or a directory")
    return FORMS[file.suffix]


def _young(file: Path, seconds: float) -> bool:
    return file.exists() and time.time() - file.stat().st_mtime < seconds
