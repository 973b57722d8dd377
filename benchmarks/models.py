"""A step of each model (loss, backward, optimiser) against the same mathematics written by hand in one function.

MNIST's shape, batch 256, one thread, both in one process and in turn; without Lightning's loop.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from by_hand import BY_HAND
from tabulate import tabulate
from torch import Tensor

from aeexp.app.components import make_model, make_task, trainable
from aeexp.app.sweep import composed, settled
from aeexp.models.base import Autoencoder
from aeexp.training.task import Task
from aeexp.types import Batch

SHAPE, BATCH, TARGET = (1, 28, 28), 256, 1.15
MODELS = sorted(file.stem for file in (Path(__file__).parents[1] / "configs" / "model").glob("*.yaml"))


def steps(model: str, x: Tensor) -> list[Callable[[], None]] | None:
    """Our step, and the one by hand where somebody wrote it, from the same weights; None where nothing learns."""
    task = task_of(model)
    if not trainable(task.model):
        return None
    batch = Batch(x, torch.arange(len(x)) % 10)
    ours = task.configure_optimizers()
    p = own(task.model)
    optimizer = task.optimizer(value for value in p.values() if value.requires_grad)

    def step() -> None:
        task.model.loss(batch).total.backward()
        ours.step()
        ours.zero_grad()

    def hand() -> None:
        BY_HAND[model](p, x).backward()
        optimizer.step()
        optimizer.zero_grad()

    return [step, hand] if model in BY_HAND else [step]


def task_of(model: str) -> Task:
    composition = composed("train", ["data=mnist", f"model={model}", "optimizer=adam"])
    config = settled(composition, composition.hydra)
    return make_task(config, make_model(config, SHAPE))


def own(model: Autoencoder) -> dict[str, Tensor]:
    """Copies of its weights and buffers, by name."""
    weights = {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}
    return weights | {name: value.clone() for name, value in model.named_buffers()}


def seconds(step: Callable[[], None], times: int) -> float:
    start = perf_counter()
    for _ in range(times):
        step()
    return (perf_counter() - start) / times


def row(model: str, x: Tensor, pairs: int, turn: float) -> tuple[str, ...] | None:
    """None where nothing learns."""
    mine, plain = steps(model, x), steps("undercomplete", x)
    if mine is None or plain is None:
        return None
    taken = [plain[0], *mine]
    warm = [seconds(step, 3) for step in taken]
    times = [max(2, round(turn / each)) for each in warm]
    turns = [[seconds(step, n) for step, n in zip(taken, times, strict=True)] for _ in range(pairs)]
    beside, ours, *hand = zip(*turns, strict=True)
    known = ("",) * 3
    if hand:
        ratio = median(a / b for a, b in zip(ours, hand[0], strict=True))
        known = (f"{median(hand[0]) * 1e3:.2f}", f"{ratio:.2f}", "yes" if ratio <= TARGET else "no")
    times_plain = median(a / b for a, b in zip(ours, beside, strict=True))
    return model, f"{median(ours) * 1e3:.2f}", *known, f"{times_plain:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare a step of each model with the same mathematics by hand.")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--turn", type=float, default=0.3, help="seconds of each in a turn, at least two steps")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    x = torch.rand(BATCH, *SHAPE, generator=torch.Generator().manual_seed(0))
    rows = [found for model in MODELS if (found := row(model, x, asked.pairs, asked.turn))]
    header = ("model", "ms a step", "by hand", "ratio", f"≤ {TARGET}", "beside undercomplete")
    table = tabulate(rows, header, tablefmt="github", disable_numparse=True)
    print(table)
    Path(__file__).with_suffix(".md").write_text(f"{table}\n", "utf-8")


if __name__ == "__main__":
    main()
