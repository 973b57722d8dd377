"""The table of a sweep again, from disk:  python -m aeexp.report runs/code_size --format markdown"""

import argparse
import sys
from pathlib import Path

from aeexp.report.sweep import Report, refresh


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m aeexp.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="a directory of runs")
    parser.add_argument("--format", choices=["markdown", "csv", "latex"], default="markdown")
    asked = parser.parse_args()
    report = Report(asked.folder)
    if report.runs["metric"].dropna().empty:
        sys.exit(f"error: {asked.folder} holds no finished run: give a sweep's directory, such as runs/code_size")
    refresh(asked.folder, force=True)
    print(getattr(report, asked.format)())


if __name__ == "__main__":
    main()
