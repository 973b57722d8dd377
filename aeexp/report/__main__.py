"""The table of a directory of runs, from disk:  python -m aeexp.report runs/code_size --where model=vae,deep"""

import argparse
import sys
from pathlib import Path

from aeexp.errors import UserError
from aeexp.report.sweep import Report
from aeexp.runs.files import write


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m aeexp.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="a directory of runs")
    parser.add_argument("--by", default="", help="keys of the lines, as model,optimizer.lr; what else varies: columns")
    parser.add_argument("--metrics", default="", help="metrics to show, as reconstruction/psnr,reconstruction/ssim")
    parser.add_argument("--where", action="append", default=[], help="runs to keep, as model=vae,deep; repeatable")
    parser.add_argument("--format", choices=["markdown", "csv", "latex", "html"], default="markdown")
    parser.add_argument(
        "--output", type=Path, help="a file for this; or a directory for all forms, pictures, and index.html"
    )
    asked = parser.parse_args()
    try:
        report = Report(asked.folder, _words(asked.by), _words(asked.metrics), asked.where)
        if not any(row["metric"] for row in report.rows):
            raise UserError(f"{asked.folder} holds no finished run: give a sweep's directory, such as runs/code_size")
        if asked.output is None:
            print(report.form(asked.format), end="")
        elif asked.output.is_dir():
            print(*report.write(asked.output), report.write_page(asked.output), sep="\n")
        else:
            write(asked.output, report.form(asked.format))
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}")


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


if __name__ == "__main__":
    main()
