"""The table of a directory of runs, from disk:  aeexp report runs/code_size --where model=vae,deep"""

import argparse
import sys
from pathlib import Path

from aeexp.errors import UserError
from aeexp.files import write
from aeexp.report.escape import printable
from aeexp.report.report import Report
from aeexp.report.sweep import FORMS, form, form_of, write_all, write_page


def main() -> None:
    parser = argparse.ArgumentParser(prog="aeexp report", description=__doc__)
    parser.add_argument("folder", type=Path, help="a directory of runs")
    parser.add_argument("--by", default="", help="keys of the lines, as model,optimizer.lr; what else varies: columns")
    parser.add_argument("--metrics", default="", help="metrics to show, as reconstruction/psnr,training/epochs")
    parser.add_argument("--where", action="append", default=[], help="runs to keep, as model=vae,deep; repeatable")
    parser.add_argument("--format", choices=[*FORMS.values()], help="of the output; else as the file's name ends")
    parser.add_argument(
        "--output",
        type=Path,
        help=f"a file that ends with {', '.join(FORMS)}; or a directory, for all forms, pictures, and index.html",
    )
    given = parser.parse_args()
    try:
        report = Report(given.folder, _words(given.by), _words(given.metrics), given.where)
        if not any(row["metric"] for row in report.rows):
            troubles = "; ".join(["", *report.troubles()])
            raise UserError(
                f"{given.folder} holds no finished run: give a sweep's directory, such as runs/code_size{troubles}"
            )
        if given.output is None:
            print(form(report, given.format or "markdown", given.folder), end="")
        elif given.output.is_dir():
            print(*write_all(report, given.output), write_page(report, given.output), sep="\n")
        else:
            write(given.output, form(report, given.format or form_of(given.output), given.output.parent))
    except UserError as error:
        sys.exit(printable(f"error: {error}"))
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}")


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


if __name__ == "__main__":
    main()
