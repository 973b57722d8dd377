"""How fast a run trains, and in how much memory, against what one would write without this project.

    python benchmarks/speed.py [--pairs 5] [--check]

Prints a table and keeps it in benchmarks/speed.md. Images are random bytes of MNIST's shape, the model is 784-32-784
with Adam as configured, on one thread. Ours is what train.py does; the others are a bare loop over floats in memory,
and the same loop over torchvision's MNIST with ToTensor and a DataLoader. They take turns in one process, so that
both sides of a ratio see the same machine, and a ratio is the median over such pairs.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
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
from aeexp.app.parts import make_data, make_model, make_task
from aeexp.app.sweep import composed, settled
from aeexp.data.images import Images
from aeexp.data.sources import Part
from aeexp.runs.facts import peak_memory
from aeexp.runs.run import Run

IMAGES, FEW, PIXELS, CODE = 60_000, 6_000, 28 * 28, 32
COLUMNS = ("measure", "ours", "other", "ratio (min..max)", "target", "met")


@dataclass(frozen=True)
class Noise:
    """A source of n training images of random bytes, and one more, which is all the validation there is."""

    n: int

    def prepare(self, root: Path) -> None:
        """Nothing to fetch."""

    def load(self, root: Path) -> tuple[Part, Part]:
        generator = torch.Generator().manual_seed(0)
        x = torch.randint(256, (self.n + 1, 1, 28, 28), dtype=torch.uint8, generator=generator)
        y = torch.randint(10, (self.n + 1,), generator=generator)
        return (x, y), (x[:1], y[:1])


class Turns(pl.Callback):
    """Seconds of an epoch of ours, from its start to the next one's, and of each of the others, run in between.

    A row of `seconds` is one turn. The first epoch, which warms everybody up, is not in it.
    """

    def __init__(self, *others: Callable[[], None]) -> None:
        self.others, self.seconds, self.started = others, list[list[float]](), 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._end_ours(trainer)
        others = [seconds(other) for other in self.others]
        if trainer.current_epoch:
            self.seconds.append(others)
        self.started = perf_counter()

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._end_ours(trainer)

    def _end_ours(self, trainer: pl.Trainer) -> None:
        if self.seconds:
            self.seconds[-1].insert(0, perf_counter() - self.started)


@dataclass(frozen=True)
class Row:
    """One line of the table: both sides' medians, the ratio of each pair, and the bound on the ratios' median."""

    measure: str
    ours: str
    other: str
    ratios: list[float]
    bound: str  # ≤ or ≥
    target: float

    @property
    def met(self) -> bool:
        ratio = median(self.ratios)
        return ratio <= self.target if self.bound == "≤" else ratio >= self.target

    @property
    def cells(self) -> tuple[str, ...]:
        spread = f" ({min(self.ratios):.2f}..{max(self.ratios):.2f})" if len(self.ratios) > 1 else ""
        ratio, target = f"{median(self.ratios):.2f}{spread}", f"{self.bound} {self.target:g}"
        return self.measure, self.ours, self.other, ratio, target, "yes" if self.met else "no"


def timed(measure: str, ours: list[float], other: list[float], bound: str, target: float) -> Row:
    """≤ bounds our seconds over theirs, ≥ theirs over ours; the lists have an entry a pair."""
    ratios = [a / b if bound == "≤" else b / a for a, b in zip(ours, other, strict=True)]
    return Row(measure, f"{median(ours):.3f} s", f"{median(other):.3f} s", ratios, bound, target)


def configured(n: int, batch_size: int) -> dict[str, Any]:
    """What train.py would run, with random images as its data."""
    overrides = ["data=mnist", "model=undercomplete", "optimizer=adam", f"bottleneck='{CODE}'", "data.val=1"]
    config = composed("train", [*overrides, f"data.batch_size={batch_size}", "trainer.accelerator=cpu"])
    values = settled(config, config.hydra)
    values["data"]["source"] = Noise(n)
    return values


def loaded(config: dict[str, Any]) -> Images:
    data = make_data(config)
    data.prepare_data()
    data.setup()
    return data


def fit(config: dict[str, Any], data: Images, epochs: int, *callbacks: pl.Callback) -> None:
    """Trains as train.py does, in a directory that is gone afterwards."""
    config["trainer"]["max_epochs"] = epochs
    config["schedule"] = {type(callback).__name__: callback for callback in callbacks}
    with TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        session.fit(Run(Path(folder)), config, make_task(config, make_model(config, data.shape)), data)


def bare(config: dict[str, Any], batches: Callable[[], Iterable[Tensor]]) -> Callable[[], None]:
    """An epoch of the loop one would write: `batches` gives x (B, 784)."""
    model = nn.Sequential(nn.Linear(PIXELS, CODE), nn.Linear(CODE, PIXELS))
    optimizer = build(config["optimizer"], "optimizer")(model.parameters())

    def epoch() -> None:
        for x in batches():
            loss = binary_cross_entropy_with_logits(model(x), x, reduction="sum") / len(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def floats(data: Images) -> Callable[[], Iterable[Tensor]]:
    """Shuffled batches of a float tensor in memory, by index_select, which is faster than indexing."""
    x = data.train.x.flatten(1) / 255
    return lambda: (x.index_select(0, i) for i in torch.randperm(len(x)).split(data.batch_size))


def torchvision_loader(data: Images) -> DataLoader[Any]:
    """The usual loader of the usual data set, which is here made around images in memory instead of read."""
    mnist = MNIST.__new__(MNIST)
    mnist.data, mnist.targets = data.train.x.squeeze(1), data.train.y
    mnist.transform, mnist.target_transform = ToTensor(), None
    return DataLoader(mnist, batch_size=data.batch_size, shuffle=True, num_workers=0)


def memory() -> Iterator[Row]:
    ours, other = (in_a_fresh_process(peak, training) for training in (True, False))
    sides = f"{ours / 1e6:.0f} MB", f"{other / 1e6:.0f} MB"
    more = (ours - other) / (IMAGES * PIXELS * 4)
    yield Row("peak memory above that of the bytes, in data sets of float32", *sides, [more], "≤", 1.5)


def large_batches(pairs: int) -> Iterator[Row]:
    config = configured(IMAGES, batch_size=256)
    data = loaded(config)
    usual = torchvision_loader(data)
    turns = Turns(bare(config, floats(data)), bare(config, lambda: (x.flatten(1) for x, _ in usual)))
    fit(config, data, pairs + 1, turns)
    ours, loop, loader = map(list, zip(*turns.seconds, strict=True))
    yield timed("epoch at batch 256, bare loop", ours, loop, "≤", 1.3)
    yield timed("epoch at batch 256, torchvision", ours, loader, "≥", 6)
    paths = [(seconds(exhaust, data.train_dataloader()), seconds(exhaust, usual)) for _ in range(pairs)]
    yield timed("its data alone, torchvision", *map(list, zip(*paths, strict=True)), "≥", 25)


def small_batches(pairs: int) -> Iterator[Row]:
    config = configured(FEW, batch_size=10)
    data = loaded(config)
    turns = Turns(bare(config, floats(data)))
    fit(config, data, pairs + 1, turns)
    ours, loop = map(list, zip(*turns.seconds, strict=True))
    yield timed(f"epoch of {FEW:,} at batch 10, bare loop", ours, loop, "≤", 1.8)


def peak(training: bool) -> int:
    """Bytes this process needs at most, for an epoch of training or for no more than its imports and the images."""
    quietly_on_one_thread()
    config = configured(IMAGES, batch_size=256)
    if training:
        fit(config, loaded(config), 1)
    else:
        config["data"]["source"].load(Path())
    return peak_memory()


def in_a_fresh_process(function: Callable[[bool], int], argument: bool) -> int:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, argument).result()


def quietly_on_one_thread() -> None:
    session.quiet()
    torch.set_num_threads(1)


def exhaust(batches: Iterable[Any]) -> None:
    for _ in batches:
        pass


def seconds(work: Callable[..., None], *arguments: Any) -> float:
    start = perf_counter()
    work(*arguments)
    return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="turns of each side (5)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a target is missed")
    options = parser.parse_args()
    quietly_on_one_thread()
    # memory first: the peak of a child starts at the size its parent had
    rows = [*memory(), *large_batches(options.pairs), *small_batches(options.pairs)]
    table = tabulate([row.cells for row in rows], COLUMNS, tablefmt="github", disable_numparse=True)
    facts = f"torch {torch.__version__}, {os.cpu_count()} CPUs, 1 thread, {options.pairs} pairs"
    print(f"{table}\n\n{facts}")
    Path(__file__).with_suffix(".md").write_text(f"{table}\n\n{facts}\n")
    if options.check and not all(row.met for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
