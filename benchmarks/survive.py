"""What a sweep loses when it is killed: SIGKILL at random instants, a relaunch each time, and a comparison bit for bit.

The same sweep runs once left alone and once killed. Every line of the table but the last two must be 0.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from tabulate import tabulate
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aeexp.runs.run import Run, find

ROOT = Path(__file__).parents[1]
EPOCHS = 8


def command(seeds: int, runs: Path) -> list[str]:
    sweep = ["model=vae,denoising,undercomplete", "bottleneck=2,8", f"seed=range({seeds})"]
    return [sys.executable, "train.py", "-m", *sweep, f"trainer.max_epochs={EPOCHS}", f"runs={runs}"]


def launch(seeds: int, runs: Path, seconds: float | None = None) -> str:
    """What the sweep printed; it is killed `seconds` after its first run started, or left alone (None)."""
    with (runs / "output").open("w+") as output:
        process = subprocess.Popen(command(seeds, runs), cwd=ROOT, stdout=output, process_group=0)
        if seconds is None:
            assert process.wait() == 0
        else:
            while "finished before" not in (runs / "output").read_text():
                assert process.poll() is None
                time.sleep(0.01)
            time.sleep(seconds)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return (runs / "output").read_text()


def curves(run: Run) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(run.path), size_guidance={"scalars": 0}).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def weights(run: Run) -> dict[str, torch.Tensor]:
    files = ("best", "last")
    states = {name: torch.load(run.checkpoints / f"{name}.ckpt", weights_only=True)["state_dict"] for name in files}
    return {f"{name} {key}": value for name, state in states.items() for key, value in state.items()}


def compared(alone: Path, killed: Path, output: str) -> dict[str, int]:
    """What differs between the two sweeps, counted, and how many epochs were trained again."""
    expected = {run.path.name: run for run in find(alone)}
    completed = {run.path.name: run for run in find(killed) if run.state == "completed"}
    found: Counter[str] = Counter()
    for name in expected.keys() & completed.keys():
        try:
            a, b = expected[name], completed[name]
            found["other weights"] += not _same(weights(a), weights(b))
            found["other metrics"] += a.numbers != b.numbers
            found["other curves"] += curves(a) != curves(b)
            found["points duplicated"] += sum(len(points) - len(dict(points)) for points in curves(b).values())
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}")
            found["files damaged"] += 1
    epochs = [int(epoch) for epoch in re.findall(rf"^epoch (\d+)/{EPOCHS} ", output, re.M)]
    return {
        "runs lost": len(expected.keys() - completed.keys()),
        "runs trained twice": max(0, epochs.count(EPOCHS) - len(expected)),
        **{
            name: found[name]
            for name in ("files damaged", "other weights", "other metrics", "other curves", "points duplicated")
        },
        "runs": len(expected),
        "epochs done again": len(epochs) - EPOCHS * len(expected),
    }


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill a sweep at random instants, and compare it with one left alone.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=4, help="six runs for each (4)")
    arguments = parser.parse_args()
    instants = random.Random(0)
    with TemporaryDirectory() as place:
        alone, killed = Path(place) / "alone", Path(place) / "killed"
        for folder in (alone, killed):
            folder.mkdir()
        start = time.monotonic()
        launch(arguments.seeds, alone)
        # a third of a run on average, so that the sweep is not over before the last kill
        longest = (time.monotonic() - start) / (2 * arguments.kills)
        output = "".join(launch(arguments.seeds, killed, instants.uniform(0, longest)) for _ in range(arguments.kills))
        found = compared(alone, killed, output + launch(arguments.seeds, killed))
    print(tabulate(found.items(), (f"after {arguments.kills} kills", "n"), tablefmt="github"))
    *zeros, _, _ = found.values()
    sys.exit(any(zeros))


if __name__ == "__main__":
    main()
