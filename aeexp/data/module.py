"""Any source of images, vectors or series as a LightningDataModule: split, partly labelled, in memory."""

import hashlib
from pathlib import Path
from typing import Any, Protocol, cast

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from aeexp.data.class_filters import AllClasses, ClassFilter
from aeexp.data.examples import Examples, InOrder, Shuffled
from aeexp.data.labels import draw
from aeexp.data.sources import Facts, Part, Recorded
from aeexp.errors import UserError
from aeexp.types import Batch


class Source(Protocol):
    def prepare(self, root: Path) -> None: ...
    def load(self, root: Path) -> tuple[Part, Part | None]: ...


class SelfDescribing(Source, Protocol):
    def describe(self, root: Path) -> Facts: ...


class DataModule(pl.LightningDataModule):
    """Splits drawn from `seed`: `val` and `test` are counts (int) or fractions (float) of the source's training part.

    test null: the source's own test part. Values are the source's / `peak` * `scale`. `labels` of the training
    examples (a count or a fraction), drawn from `label_seed`, keep their y; the others get -1. shape, classes and
    peak null: as the source itself says. The `view` never narrows the test part; its default keeps the identity of
    runs that were made before there were views.
    """

    def __init__(
        self,
        name: str,
        source: Source | SelfDescribing,
        root: str,
        shape: list[int] | None,
        classes: int | None,
        peak: int | None,
        scale: float,
        val: int | float,
        test: int | float | None,
        seed: int,
        labels: int | float,
        stratified: bool,
        label_seed: int,
        batch_size: int,
        class_filter: ClassFilter = AllClasses(),  # noqa: B008, it holds nothing
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise UserError(f"data.batch_size is at least 1, but got {batch_size}")
        if scale <= 0:
            raise UserError(f"data.scale is the value of a white pixel, above 0, such as 1 or 255, but got {scale}")
        self.name, self.source, self.root = name, source, Path(root)
        if shape is None or classes is None or peak is None:
            facts = cast(SelfDescribing, source).describe(self.root)
            shape = facts.shape if shape is None else shape
            classes = facts.classes if classes is None else classes
            peak = facts.peak if peak is None else peak
            if test is None and not facts.has_test:
                raise self._no_test()
        self.shape: tuple[int, ...] = tuple(shape)
        self.classes: int = classes
        self.peak: int = peak
        self.rate = source.rate if isinstance(source, Recorded) else None  # samples a second of what can be heard
        self.class_filter = class_filter
        self.factor, self.scale, self.batch_size, self.seed = scale / peak, scale, batch_size, seed
        self._val, self._test, self._labels = val, test, (labels, stratified, label_seed)

    def prepare_data(self) -> None:
        self.source.prepare(self.root)

    def setup(self, stage: str | None = None) -> None:
        """Loads and splits once; sets `train`, `val`, `test` (Examples) and `digest`, which identifies the split."""
        if hasattr(self, "digest"):
            return
        (x, y), own_test = self.source.load(self.root)
        if self._test is None and own_test is None:
            raise self._no_test()
        if x.shape[1:] != self.shape:
            raise UserError(
                f"data.shape={list(self.shape)}, but the examples of data={self.name} are {list(x.shape[1:])}"
            )
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(self.seed))
        n_val = _count(self._val, len(x), "data.val")
        n_test = 0 if self._test is None else _count(self._test, len(x), "data.test")
        n_train = len(x) - n_val - n_test
        if n_train < 1:
            raise UserError(f"data.val and data.test together leave none of {len(x)} examples to train on")
        train, val, test = order.split([n_train, n_val, n_test])
        train, val = self.class_filter.kept(train, y, "training"), self.class_filter.kept(val, y, "validation")
        train_y = torch.full_like(y[train], -1)
        everything = isinstance(self._labels[0], float) and self._labels[0] == 1  # also where there are none
        labelled = torch.nonzero(y[train] >= 0)[:, 0] if everything else draw(y[train], *self._labels)
        train_y[labelled] = y[train][labelled]
        self.train = Examples(x[train], train_y, self.factor)
        self.val = Examples(x[val], y[val], self.factor)
        self.test = Examples(*(own_test if own_test and self._test is None else (x[test], y[test])), self.factor)
        self.digest = _digest(train, val, test, labelled)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Lightning's own looks for tensors in whatever a batch may be."""
        return Batch(batch.x.to(device, non_blocking=True), batch.y.to(device, non_blocking=True))

    def _no_test(self) -> UserError:
        return UserError(f"data={self.name} has no test part of its own: give data.test a count or a fraction")

    def train_dataloader(self) -> DataLoader[Batch]:
        world, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        return loader(self.train, Shuffled(len(self.train), self.batch_size, self.seed, world, rank))

    def val_dataloader(self) -> DataLoader[Batch]:
        return loader(self.val, InOrder(len(self.val), self.batch_size))


def loader(data: Examples, sampler: Sampler[Tensor]) -> DataLoader[Batch]:
    # batch_size None: the sampler gives whole batches of positions, and the data set slices them. A generator of its
    # own: an iterator draws a number when it is made, which would shift the noise of a resumed epoch.
    return DataLoader(data, batch_size=None, sampler=sampler, collate_fn=_as_it_is, generator=torch.Generator())


def _as_it_is(batch: Any) -> Any:
    return batch


def _count(part: int | float, of: int, name: str) -> int:
    n = part if isinstance(part, int) else round(part * of)
    if not 1 <= n < of:
        raise UserError(f"{name}={part} asks for {n} of {of} examples: give a count within that, or a fraction of 1.0")
    return n


def _digest(*indices: Tensor) -> str:
    return hashlib.sha256(b"|".join(index.numpy().tobytes() for index in indices)).hexdigest()[:16]
