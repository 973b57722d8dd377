"""How fast a run trains, and in how much memory, against what one would write without this project.

Ours is what train.py does, from the configuration to the checkpoints: 784-32-784 on random bytes of MNIST's shape.
The others are a bare loop over floats in memory, and that loop over torchvision's MNIST with ToTensor and a
DataLoader. All run in one process on one thread and take turns, so that a pair sees the same machine. The table goes
to the terminal and to benchmarks/speed.md.
"""

import argparse
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from unittest.mock import patch

import pytorch_lightning as pl
import torch
from tabulate import tabulate
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from aeexp.app import session
from aeexp.app.build import build
from aeexp.app.components import make_data, make_model, make_task
from aeexp.app.sweep import composed, settled
from aeexp.data.module import DataModule
from aeexp.data.sources import Part
from aeexp.runs.facts import peak_memory
from aeexp.runs.run import Run

IMAGES, FEW, PIXELS, CODE = 60_000, 6_000, 28 * 28, 32
# Lightning turns this on for the whole process; Adam then looks for a driver in every step, which the others would not
WITHOUT_LIGHTNING = {"PYTORCH_NVML_BASED_CUDA_CHECK": "0"}
Batches = Callable[[], Iterable[Tensor]]  # a call is an epoch of x (B, 784)


@dataclass(frozen=True)
class Noise:
    """A source of n training images, and one more, which is all the validation there is."""

    n: int

    def prepare(self, root: Path) -> None:
        """Nothing to fetch."""

    def load(self, root: Path) -> tuple[Part, Part]:
        generator = torch.Generator().manual_seed(0)
        x = torch.randint(256, (self.n + 1, 1, 28, 28), dtype=torch.uint8, generator=generator)
        y = torch.randint(10, (self.n + 1,), generator=generator)
        return (x, y), (x[:1], y[:1])


class Turns(pl.Callback):
    """Before each epoch of ours, one of each of the others. Ours lasts until the next one starts."""

    def __init__(self, *others: Callable[[], None]) -> None:
        self.others, self.started = others, 0.0
        self.seconds: list[list[float]] = []  # a row a turn: ours, then the others

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.on_train_end(trainer, module)
        with patch.dict(os.environ, WITHOUT_LIGHTNING):
            self.seconds.append([seconds(other) for other in self.others])
        self.started = perf_counter()

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self.seconds:
            self.seconds[-1].insert(0, perf_counter() - self.started)


def experiment(n: int, batch_size: int) -> tuple[dict[str, Any], DataModule]:
    """What train.py would run, with noise for its data, in a process set up as train.py does it."""
    words = ["data=mnist", "data.val=1", f"data.batch_size={batch_size}", f"bottleneck='{CODE}'", "optimizer=adam"]
    composition = composed("train", [*words, "model=undercomplete", "trainer.accelerator=cpu", "threads=1"])
    config = settled(composition, composition.hydra)
    config["data"]["source"] = Noise(n)
    session.quiet()
    torch.set_num_threads(config["threads"])
    data = make_data(config)
    data.prepare_data()
    data.setup()
    return config, data


def fit(config: dict[str, Any], data: DataModule, epochs: int, **callbacks: pl.Callback) -> None:
    config = {**config, "trainer": {**config["trainer"], "max_epochs": epochs}, "schedule": callbacks}
    with TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        session.fit(Run(Path(folder)), config, make_task(config, make_model(config, data.shape)), data)


class Bare(pl.LightningModule):
    """The model one would write, and its loss."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(PIXELS, CODE), nn.Linear(CODE, PIXELS))
        self.optimizer = build(config["optimizer"], "optimizer")(self.parameters())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer

    def training_step(self, x: Tensor, _: int = 0) -> Tensor:
        return binary_cross_entropy_with_logits(self.layers(x), x, reduction="sum") / len(x)


def barebones(config: dict[str, Any], batches: Callable[[], Iterable[Tensor]]) -> Callable[[], None]:
    """The same under Lightning without logger, callbacks, checkpoints and validation: what its loop costs alone."""
    model = Bare(config)
    return lambda: pl.Trainer(barebones=True, max_epochs=1, accelerator="cpu").fit(
        model, DataLoader(list(batches()), batch_size=None)
    )


def bare(config: dict[str, Any], batches: Batches) -> Callable[[], None]:
    """An epoch of the loop one would write."""
    model = Bare(config)

    def epoch() -> None:
        for x in batches():
            loss = model.training_step(x)
            model.optimizer.zero_grad()
            loss.backward()
            model.optimizer.step()

    return epoch


def floats(data: DataModule) -> Batches:
    x = data.train.x.flatten(1) / 255  # index_select is faster here than x[i]
    return lambda: (x.index_select(0, i) for i in torch.randperm(len(x)).split(data.batch_size))


def torchvision_loader(data: DataModule) -> DataLoader[Any]:
    mnist = MNIST.__new__(MNIST)  # its constructor would read files
    mnist.data, mnist.targets = data.train.x.squeeze(1), data.train.y
    mnist.transform, mnist.target_transform = ToTensor(), None
    return DataLoader(mnist, batch_size=data.batch_size, shuffle=True, num_workers=0)


def seconds(work: Callable[..., object], *arguments: object) -> float:
    start = perf_counter()
    work(*arguments)
    return perf_counter() - start


def peak(training: bool) -> int:
    """Bytes this process needs at most, for an epoch of training or for no more than its imports and the images."""
    if training:
        fit(*experiment(IMAGES, batch_size=256), epochs=1)
    else:
        Noise(IMAGES).load(Path())
    return peak_memory()


def epochs(
    pairs: int, config: dict[str, Any], data: DataModule, *others: Callable[[], None]
) -> Iterator[tuple[float, ...]]:
    """Seconds of our epochs, then of those of each of the others. A first turn warms all of them up."""
    turns = Turns(*others)
    fit(config, data, pairs + 1, turns=turns)
    return zip(*turns.seconds[1:], strict=True)


def measured(pairs: int) -> Iterator[tuple[str, ...]]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as fresh:
        # before all else: a child's peak starts at the size that its parent has
        training, bytes_alone = fresh.map(peak, (True, False))
    more, float_images = (training - bytes_alone) / 1e6, IMAGES * PIXELS * 4 / 1e6
    yield row("peak memory above imports and bytes : the images as float32", [more], [float_images], "≤ 1.5", "MB")

    config, data = experiment(IMAGES, batch_size=256)
    usual = torchvision_loader(data)
    others = bare(config, floats(data)), bare(config, lambda: (x.flatten(1) for x, _ in usual))
    ours, loop, loader = epochs(pairs, config, data, *others)
    yield row("epoch, batch 256 : bare loop", ours, loop, "≤ 1.3")
    yield row("epoch, batch 256 : torchvision", ours, loader, "≥ 6")
    both = data.train_dataloader(), usual
    ours, loader = zip(*([seconds(deque, each, 0) for each in both] for _ in range(pairs)), strict=True)
    yield row("data alone, batch 256 : torchvision", ours, loader, "≥ 25")

    config, data = experiment(FEW, batch_size=10)
    ours, loop, lightning = epochs(pairs, config, data, bare(config, floats(data)), barebones(config, floats(data)))
    yield row(f"epoch of {FEW:,}, batch 10 : bare loop", ours, loop, "≤ 1.8")
    yield row(f"epoch of {FEW:,}, batch 10 : Lightning alone", ours, lightning, "≤ 1.2")


def row(measure: str, ours: Sequence[float], other: Sequence[float], target: str, unit: str = "s") -> tuple[str, ...]:
    """≤ bounds the median of ours over the other, pair by pair; ≥ that of the other over ours."""
    bound, limit = target.split()
    ratios = [a / b if bound == "≤" else b / a for a, b in zip(ours, other, strict=True)]
    ratio = median(ratios)
    met = ratio <= float(limit) if bound == "≤" else ratio >= float(limit)
    sides = (f"{median(side):.3g} {unit}" for side in (ours, other))
    return measure, *sides, f"{ratio:.2f} ({min(ratios):.2f}..{max(ratios):.2f})", target, "yes" if met else "no"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare our speed and memory with the usual ways.")
    parser.add_argument("--pairs", type=int, default=5, help="how often each takes its turn (5)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a target is missed")
    options = parser.parse_args()
    rows = list(measured(options.pairs))
    header = ("ours : other", "ours", "other", "ratio (min..max)", "target", "met")
    table = tabulate(rows, header, tablefmt="github", disable_numparse=True)
    facts = f"torch {torch.__version__}, {os.cpu_count()} CPUs, 1 thread, {options.pairs} pairs"
    print(f"{table}\n\n{facts}")
    Path(__file__).with_suffix(".md").write_text(f"{table}\n\n{facts}\n", "utf-8")
    sys.exit(options.check and any(met == "no" for *_, met in rows))


if __name__ == "__main__":
    main()
