"""How much faster the runs of a sweep train as one (hydra/launcher=vectorized) than one after another, on one thread.

Both are what train.py does, an epoch of 9,900 images of MNIST (--root is their folder), and take turns. Whether the
launcher itself would train them together stands beside: it measures a step of both. The table goes to the terminal and
to benchmarks/together.md.
"""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch
from tabulate import tabulate

from aeexp.app.cli import train_points
from aeexp.app.sweep import points, quoted

CASES = {
    "784-10-784, batch 10, 10 runs": ["experiment=auto_1", "data.scale=255"],
    "784-64-10-64-784, batch 10, 10 runs": ["experiment=auto_2", "data.scale=255"],
    "784-32-784, batch 16, 10 runs": ["data.batch_size=16"],
    "784-32-784, batch 64, 10 runs": ["data.batch_size=64"],
    "784-32-784, batch 256, 10 runs": ["data.batch_size=256"],
    "784-400-20 VAE, batch 32, 10 runs": ["model=vae", "bottleneck=20", "data.batch_size=32"],
    "784-400-20 VAE, batch 128, 10 runs": ["model=vae", "bottleneck=20", "data.batch_size=128"],
}
COMMON = ["data=mnist", "data.val=100", "data.test=50000", "trainer.max_epochs=1", "evaluation=[]"]


@contextmanager
def whatever_it_costs() -> Iterator[None]:
    with patch("aeexp.app.together.refuse_slower", lambda *_: None):
        yield


def trained(words: list[str], runs: int, together: bool) -> tuple[float, str]:
    """Seconds of training of all runs, and what was printed."""
    says = StringIO()
    with TemporaryDirectory() as folder, redirect_stdout(says):
        seeds = ",".join(map(str, range(runs)))
        swept = [*points("train", [quoted(word) for word in [*COMMON, *words, f"seed={seeds}", f"runs={folder}"]])]
        jobs = [point.overrides for point in swept]
        for group in [jobs] if together else [[job] for job in jobs]:
            train_points(group)
        return sum(point.run.results["training"]["seconds"] for point in swept), says.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="data")
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, words in CASES.items():
        words = [*words, f"data.root={given.root}"]
        chosen = "trained together" in trained(words, 10, True)[1]
        alone, together = [], []
        for _ in range(given.pairs):
            alone.append(trained(words, 10, False)[0])
            with whatever_it_costs():
                together.append(trained(words, 10, True)[0])
        ratios = sorted(a / b for a, b in zip(alone, together, strict=True))
        spread = f"{median(ratios):.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f})"
        rows.append([name, f"{median(alone):.1f} s", f"{median(together):.1f} s", spread, "yes" if chosen else "no"])
        print(rows[-1], flush=True)
    heads = ["model", "one after another", "together", "times faster (min..max)", "chosen"]
    table = tabulate(rows, heads, tablefmt="github", disable_numparse=True)
    facts = f"torch {torch.__version__}, {os.cpu_count()} CPUs, 1 thread, {given.pairs} pairs"
    print(f"{table}\n\n{facts}")
    Path(__file__).with_suffix(".md").write_text(f"{table}\n\n{facts}\n", "utf-8")


if __name__ == "__main__":
    main()
