"""All examples in memory, as bytes where they came as bytes; a batch of indices becomes floats in one slice."""

from collections.abc import Iterator
from math import ceil
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from aeexp.types import Batch

BATCH = 1000  # examples at once in inference: bounds memory and decides no number


class Examples(Dataset[Batch]):
    """x (N, *shape) uint8 or float32 and y (N,) int64, read as Batch(x * factor, y)."""

    def __init__(self, x: Tensor, y: Tensor, factor: float) -> None:
        self.x, self.y, self.factor = x, y, factor

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Tensor) -> Batch:
        """(B,) int64 positions -> Batch of B"""
        # index_select copies whole rows; x[index] visits every byte and is many times slower
        return self.batch(self.x.index_select(0, index), self.y.index_select(0, index))

    def first(self, n: int) -> "Examples":
        return Examples(self.x[:n], self.y[:n], self.factor)

    def batches(self, size: int) -> "Batches":
        """The whole set in order."""
        return Batches(self, size)

    def batch(self, x: Tensor, y: Tensor) -> Batch:
        return Batch(x.to(torch.float32, copy=True).mul_(self.factor), y)


class Batches:
    """Examples in order, `size` at a time, as often as they are gone through."""

    def __init__(self, examples: Examples, size: int) -> None:
        self.examples, self.size = examples, size

    def __iter__(self) -> Iterator[Batch]:
        for x, y in zip(self.examples.x.split(self.size), self.examples.y.split(self.size), strict=True):
            yield self.examples.batch(x, y)


class Shuffled(Sampler[Tensor]):
    """Batches of positions, (B,) int64: a permutation that depends on `seed` and the epoch alone.

    Each of `world` processes takes every world-th batch, and all take equally many.
    """

    def __init__(self, n: int, batch_size: int, seed: int, world: int, rank: int) -> None:
        self.n, self.batch_size, self.seed, self.world, self.rank, self.epoch = (
            n,
            batch_size,
            seed,
            world,
            rank,
            0,
        )

    def set_epoch(self, epoch: int) -> None:
        """Lightning's signal that an epoch begins."""
        self.epoch = epoch

    def __len__(self) -> int:
        return max(1, ceil(self.n / self.batch_size) // self.world)

    def __iter__(self) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        batches = torch.randperm(self.n, generator=generator).split(self.batch_size)
        # lazily: a resumed training makes the iterator before it sets the epoch
        yield from (batches[(self.rank + self.world * k) % len(batches)] for k in range(len(self)))


class WithLabelled(Sampler[Tensor]):
    """The batches of `order`, each with n more positions of examples that have a label in y (N,): (B + n,) int64."""

    def __init__(self, order: Shuffled, y: Tensor, n: int) -> None:
        self.order, self.known, self.n = order, torch.nonzero(y >= 0)[:, 0], n

    def set_epoch(self, epoch: int) -> None:
        self.order.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Tensor]:
        generator = torch.Generator()
        for step, batch in enumerate(self.order):
            generator.manual_seed((self.order.seed * 1_000_003 + self.order.epoch) * 1_000_003 + step)
            drawn = torch.randperm(len(self.known), generator=generator)[: self.n]
            yield torch.cat([batch, self.known[drawn]])


class InOrder(Sampler[Tensor]):
    """Batches of positions, (B,) int64, in order."""

    def __init__(self, n: int, batch_size: int) -> None:
        self.n, self.batch_size = n, batch_size

    def __len__(self) -> int:
        return ceil(self.n / self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(torch.arange(self.n).split(self.batch_size))


class Together(Dataset[Batch]):
    """One batch of each part, x (n, B, *shape) and y (n, B)."""

    def __init__(self, parts: list[Examples]) -> None:
        first = parts[0]
        self.all = Examples(torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts]), first.factor)
        for part, x in zip(parts, self.all.x.chunk(len(parts)), strict=True):
            part.x = x  # the same bytes, once in memory
        self.offsets = torch.arange(len(parts))[:, None] * len(first)

    def __getitem__(self, positions: tuple[Tensor, ...]) -> Batch:
        index = torch.stack(positions) + self.offsets  # (n, B)
        x, y = self.all[index.flatten()]
        return Batch(x.unflatten(0, index.shape), y.unflatten(0, index.shape))


class Zipped(Sampler[Any]):
    def __init__(self, samplers: list[Any]) -> None:
        self.samplers = samplers

    def set_epoch(self, epoch: int) -> None:
        for sampler in self.samplers:
            if hasattr(sampler, "set_epoch"):
                sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.samplers[0])

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return zip(*self.samplers, strict=True)


def loader(data: Dataset[Batch], sampler: Sampler[Any]) -> DataLoader[Batch]:
    # batch_size None: the sampler gives whole batches of positions, and the data set slices them. A generator of its
    # own: an iterator draws a number when it is made, which would shift the noise of a resumed epoch.
    return DataLoader(data, batch_size=None, sampler=sampler, collate_fn=_as_it_is, generator=torch.Generator())


def together(parts: list[Examples], samplers: list[Any]) -> DataLoader[Batch]:
    """One batch of each part at a time, stacked."""
    return loader(Together(parts), Zipped(samplers))


def _as_it_is(batch: Any) -> Any:
    return batch


def binary(x: Tensor, peak: int, generator: torch.Generator) -> Tensor:
    """Gray values (N, *shape) in [0, peak] -> 0 or peak, which is drawn with probability x / peak."""
    blocks = [some > peak * torch.rand(some.shape, generator=generator) for some in x.split(BATCH)]
    return torch.cat(blocks).to(x.dtype) * peak
