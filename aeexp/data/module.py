"""Any source of images, vectors or series as a LightningDataModule: split, partly labelled, in memory."""

from math import inf
from pathlib import Path
from typing import Literal, cast

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from aeexp.columns import Layout
from aeexp.data.class_filters import AllClasses, ClassFilter
from aeexp.data.content import digest
from aeexp.data.examples import Examples, InOrder, Shuffled, WithLabelled, binary, loader
from aeexp.data.labels import draw, refuse_too_few
from aeexp.data.parts import count, refuse_outside, split_digest
from aeexp.data.records import Records
from aeexp.data.sequences import Sequences
from aeexp.data.sources import Part, Recorded, SelfDescribing, Source
from aeexp.data.windows import Instants, Windows
from aeexp.errors import UserError
from aeexp.scalings import Scaling
from aeexp.symbols import Vocabulary
from aeexp.types import Batch

TEST = 0.2  # of the examples, where neither the data set nor the configuration says which they are


class DataModule(pl.LightningDataModule):
    """Splits drawn from `seed`: `val` and `test` are counts (int) or fractions (float) of the source's training part.

    test null: the source's own test part, or a fifth where it has none, which the check of a run says. A validation
    part of the source's own is taken as it is. Values are the source's / `peak` * `scale`. `labels` of the training
    examples (a count or a fraction), drawn from `label_seed`, keep their y; the others get -1. shape, classes and peak
    null: as the source itself says. The class filter never narrows the test part. `binarize`: pixels become 0 or
    `scale`, 1 with the probability of their gray value; `static`: once, alike for every seed; `dynamic`: anew whenever
    an example is trained on (Burda et al. 2016, section 5), else once. `labelled` of those that kept their y join each
    batch. `content`: the digest of the source's files, when a run is composed. What has a default here does not change
    the identity of runs that were made before it existed.
    """

    columns: Layout | None = None  # of a table of records
    vocabulary: Vocabulary | None = None  # of sequences of symbols
    instants: Instants | None = None  # of windows of a series

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
        scaling: Scaling | None = None,
        binarize: Literal["static", "dynamic"] | None = None,
        content: str | None = None,
        class_names: list[str] | None = None,
        labelled: int | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise UserError(f"data.batch_size is at least 1, but got {batch_size}")
        if scale <= 0:
            raise UserError(f"data.scale is the value of a white pixel, above 0, such as 1 or 255, but got {scale}")
        if scaling is not None and scale != 1:
            raise UserError(f"data.scale={scale} is undone by scaling={type(scaling).__name__}: choose data.scale=1")
        self.name, self.source, self.root = name, source, Path(root)
        self.class_names, self._test, self.remarks = class_names, test, list[str]()
        self.shape, self.classes, self.peak = self._described(shape, classes, peak)
        # floats of the user's own files may be any numbers where a scaling reads them
        any_numbers = scaling is not None and self.peak == 1 and getattr(source, "any_numbers", False)
        self.bounded = not (any_numbers or isinstance(source, Records | Windows))
        self.rate = source.rate if isinstance(source, Recorded) else None  # samples a second of what can be heard
        self.class_filter, self.scaling, self.binarize, self.content = class_filter, scaling, binarize, content
        self.factor, self.scale, self.batch_size, self.seed = scale / self.peak, scale, batch_size, seed
        self._val, self._labels, self._labelled = val, (labels, stratified, label_seed), labelled

    @property
    def limits(self) -> tuple[float, float]:
        """Within which a number of an example can be."""
        return (0.0, self.scale) if self.bounded else (-inf, inf)

    def prepare_data(self) -> None:
        self.source.prepare(self.root)

    def setup(self, stage: str | None = None) -> None:
        """Loads and splits once; sets `train`, `val`, `test` (Examples) and `digest`, which identifies the split."""
        if hasattr(self, "digest"):
            return
        (gray, y), own_test, n_own_val = self._loaded()
        x = gray
        if self.binarize:
            generator = torch.Generator().manual_seed(0)
            x = binary(gray, self.peak, generator)
            own_test = own_test and (binary(own_test[0], self.peak, generator), own_test[1])
        n = len(x) - n_own_val
        n_val = 0 if n_own_val else count(self._val, n, "data.val")
        n_test = 0 if self._test is None else count(self._test, n, "data.test")
        n_train = n - n_val - n_test
        if n_train < 1:
            raise UserError(f"data.val and data.test together leave none of {n} examples to train on")
        order = torch.randperm(n, generator=torch.Generator().manual_seed(self.seed))
        train, val, test = order.split([n_train, n_val, n_test])
        val = torch.cat([val, torch.arange(n, len(x))])
        train, val = self.class_filter.kept(train, y, "training"), self.class_filter.kept(val, y, "validation")
        if isinstance(self.source, Records):
            self.columns = Layout(self.source.schema(self.root))
            standardised = self.source.fitted(x[train], self.columns)
            gray = x = standardised(x)
            own_test = own_test and (standardised(own_test[0]), own_test[1])
            self.test_rows = torch.arange(len(own_test[0])) if own_test and self._test is None else test
        if isinstance(self.source, Sequences):
            self.vocabulary = self.source.vocabulary(self.root)
        if isinstance(self.source, Windows) and self._test is None:
            self.instants = self.source.instants(self.root)
        labelled = draw(y[train], *self._labels)
        train_y = torch.full_like(y[train], -1).index_copy(0, labelled, y[train][labelled])
        self.train = Examples(x[train], train_y, self.factor)
        self.trained_on = Examples(gray[train], train_y, self.factor) if self.binarize == "dynamic" else self.train
        self.val = Examples(x[val], y[val], self.factor)
        self.test = Examples(*(own_test if own_test and self._test is None else (x[test], y[test])), self.factor)
        refuse_too_few(labelled, self._labelled)
        self.digest = split_digest(train, val, test, labelled)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Lightning's own looks for tensors in whatever a batch may be."""
        return Batch(batch.x.to(device, non_blocking=True), batch.y.to(device, non_blocking=True))

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        if self.binarize == "dynamic" and self.trainer and self.trainer.training:
            return Batch(self.scale * (batch.x / self.scale).bernoulli(), batch.y)
        return batch

    def check_content(self) -> None:
        """UserError where the files are not those that the run was composed with."""
        if self.content is not None and digest(self.source, self.root) not in (None, self.content):
            raise UserError(
                f"the files of data={self.name} below {self.root} are not those that this run was trained on: choose a "
                "data.root that holds these, or train a run on the new ones by the command that trained this one"
            )

    def _loaded(self) -> tuple[Part, Part | None, int]:
        """What the source loads, looked at: its training part, at the end of which are the validation examples of its
        own; its test part; how many those are."""
        (x, y), own_test = self.source.load(self.root)
        load_val = getattr(self.source, "load_val", None)
        own_val: Part | None = load_val(self.root) if load_val else None
        if own_val is not None:
            x, y = torch.cat([x, own_val[0]]), torch.cat([y, own_val[1]])
        self._split_off_test(own_test is not None)
        if x.shape[1:] != self.shape:
            raise UserError(
                f"data.shape={list(self.shape)}, but the examples of data={self.name} are {list(x.shape[1:])}"
            )
        if self.bounded:
            refuse_outside(self.peak, self.name, x, *(own_test or ())[:1])
        if own_test and (unknown := sorted({*own_test[1].unique().tolist()} - {*y.unique().tolist(), -1})):
            raise UserError(
                f"the test part of data={self.name} has the labels {unknown}, which no training example has: "
                "choose to leave these examples out, or to give them -1, which is no label"
            )
        return (x, y), own_test, 0 if own_val is None else len(own_val[0])

    def _split_off_test(self, has_own: bool) -> None:
        if self._test is None and not has_own:
            self._test = TEST
            self.remarks.append(f"data={self.name} has no test part of its own: data.test={TEST} of it is taken")

    def _described(
        self, shape: list[int] | None, classes: int | None, peak: int | None
    ) -> tuple[tuple[int, ...], int, int]:
        """What is not given of these, as the source itself says it."""
        if shape is not None and classes is not None and peak is not None:
            return tuple(shape), classes, peak
        facts = cast(SelfDescribing, self.source).describe(self.root)
        self._split_off_test(facts.has_test)
        self.class_names = self.class_names or list(facts.class_names) or None
        own = facts.shape if shape is None else shape
        return tuple(own), facts.classes if classes is None else classes, facts.peak if peak is None else peak

    def train_dataloader(self) -> DataLoader[Batch]:
        world, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        order = Shuffled(len(self.train), self.batch_size, self.seed, world, rank)
        return loader(self.trained_on, WithLabelled(order, self.train.y, self._labelled) if self._labelled else order)

    def val_dataloader(self) -> DataLoader[Batch]:
        return loader(self.val, InOrder(len(self.val), self.batch_size))
