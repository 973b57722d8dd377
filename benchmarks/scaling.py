"""What a finished sweep of many runs costs when it is launched again, reported, drawn as a page and listed.

The runs are written as a sweep leaves them, without their weights. A row is a command; its last columns are what one
run more costs, between the smallest and the largest sweep.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tabulate import tabulate

from aeexp.app.sweep import points
from aeexp.files import write_json, write_yaml
from aeexp.runs.identity import directory

ROOT = Path(__file__).parents[1]
MODELS, WIDTHS = ["vae", "deep"], [2, 4, 8, 16, 32]
TARGETS = (2.0, 20.0)  # ms and kB a run


def words(n: int, runs: Path) -> list[str]:
    widths = ",".join(f"'{width}'" for width in WIDTHS)
    seeds = f"range(0,{n // (len(MODELS) * len(WIDTHS))})"
    return [f"model={','.join(MODELS)}", f"bottleneck={widths}", f"seed={seeds}", f"runs={runs}", "sweep=s"]


def make(n: int, runs: Path) -> None:
    """A finished sweep of n runs."""
    for number, point in enumerate(points("train", words(n, runs))):
        folder = directory(point.config)
        protocols = [
            {"protocol": name, "settings": node, "metrics": {f"{name}/accuracy": number / n}, "figures": []}
            for name, node in point.config["evaluation"].items()
        ]
        write_yaml(folder / "config.yaml", point.config)
        write_json(folder / "results.json", {"training": {"epochs": 2, "seconds": 1.0}, "protocols": protocols})
        write_json(folder / "status.json", {"state": "completed", "ended": "2026-01-01T00:00:00+00:00"})


def commands(n: int, runs: Path) -> dict[str, list[str]]:
    return {
        "launched again": ["train.py", "-m", *words(n, runs), "jobs=1"],
        "report": ["-m", "aeexp", "report", f"{runs}/s"],
        "page": ["-m", "aeexp", "report", f"{runs}/s", "--output", f"{runs}/page.html"],
        "runs ls": ["-m", "aeexp", "runs", "ls", f"{runs}"],
    }


def cost(command: list[str]) -> tuple[float, float]:
    """Seconds, and the largest resident size in MB, of a program."""
    measured = "import resource as r, subprocess as s, sys; s.run(sys.argv[1:], check=True, stdout=s.DEVNULL); "
    measured += "print(r.getrusage(r.RUSAGE_CHILDREN).ru_maxrss)"
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", measured, sys.executable, *command], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return time.perf_counter() - start, int(done.stdout) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[200, 2000, 10000], help="sizes of the sweep")
    sizes = parser.parse_args().runs
    costs: dict[str, list[tuple[float, float]]] = {}
    for n in sizes:
        with TemporaryDirectory() as folder:
            make(n, Path(folder))
            for name, command in commands(n, Path(folder)).items():
                costs.setdefault(name, []).append(cost(command))
    more = sizes[-1] - sizes[0]
    rows = []
    for name, found in costs.items():
        milliseconds = (found[-1][0] - found[0][0]) / more * 1e3
        kilobytes = (found[-1][1] - found[0][1]) / more * 1e3
        met = milliseconds <= TARGETS[0] and kilobytes <= TARGETS[1]
        shown = [f"{seconds:.1f} s, {size:.0f} MB" for seconds, size in found]
        rows.append([name, *shown, f"{milliseconds:.2f} ms, {kilobytes:.1f} kB", "yes" if met else "no"])
    target = f"≤ {TARGETS[0]:g} ms, {TARGETS[1]:g} kB"
    header = ["", *(f"{n} runs" for n in sizes), "a run more", target]
    table = tabulate(rows, header, tablefmt="github", disable_numparse=True)
    print(table)
    Path(__file__).with_suffix(".md").write_text(f"{table}\n", "utf-8")


if __name__ == "__main__":
    main()
