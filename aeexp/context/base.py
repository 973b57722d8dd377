"""The evaluation context: a trained model and its data; codes and reconstructions are computed once for all."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import nan
from typing import NamedTuple, Protocol

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.optim import Optimizer

from aeexp.columns import Layout
from aeexp.data.class_filters import ClassFilter
from aeexp.data.examples import BATCH, Examples
from aeexp.data.windows import Instants
from aeexp.errors import NotApplicable
from aeexp.metrics.ssim import ssim
from aeexp.models.base import Autoencoder
from aeexp.symbols import Vocabulary
from aeexp.types import Batch


class Splits(Protocol):
    """What a protocol reads of a data module."""

    name: str | None
    class_filter: ClassFilter
    train: Examples
    val: Examples
    test: Examples
    shape: tuple[int, ...]
    classes: int
    class_names: list[str] | None  # where they have names
    columns: Layout | None  # of a table of records
    vocabulary: Vocabulary | None  # of sequences of symbols
    instants: Instants | None  # of windows of a series
    test_rows: Tensor  # of a table, where the test examples are in it
    scale: float
    bounded: bool  # whether all numbers are in [0, scale]

    @property
    def limits(self) -> tuple[float, float]:
        """Within which a number of an example can be."""

    rate: int | None  # samples a second, where an example can be heard


@dataclass(frozen=True)
class Result:
    metrics: dict[str, float]  # None where the model cannot answer
    figures: dict[str, Figure] = field(default_factory=dict)
    sounds: dict[str, bytes] = field(default_factory=dict)  # WAV files
    facts: dict[str, str] = field(default_factory=dict)  # what the metrics rest on and is no number, such as a digest


class Errors(NamedTuple):
    """Reconstruction errors of each example, (N,) float64 each."""

    squared: Tensor  # ||x - x^||^2, summed over the example, in units of data.scale squared
    nats: Tensor  # the term `recon` of the model's own objective, on uncorrupted input
    ssim: Tensor  # structural similarity, Wang et al. (2004), with a Gaussian window; nan of all but bounded images


class EvaluationContext:
    """A model in eval mode, its name, its data, and the optimizer as training left it (None where it has none).

    Codes are of the example alone; reconstructions are conditioned on its label, where the model conditions on labels.
    """

    def __init__(self, model: Autoencoder, data: Splits, optimizer: Optimizer | None, model_name: str) -> None:
        self.model, self.data, self.optimizer, self.model_name = model.eval(), data, optimizer, model_name
        self._known: dict[tuple[str, Examples], Tensor] = {}

    def codes(self, part: Examples) -> Tensor:
        """Mean codes (N, D) of a part of the data, or of any examples of the same shape."""
        return self._once("codes", part, lambda batch: self.model.encode(batch.x).mean.flatten(1))

    def errors(self, part: Examples) -> Errors:
        """Of each example of a part of the data, or of any examples of the same shape."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # `nats` of a sampled code
            return Errors(*self._once("errors", part, self._errors).unbind(1))

    def decode(self, z: Tensor) -> Tensor:
        """The mean examples (N, *shape) of codes (N, D) that are flat, as those of `codes`."""
        with torch.no_grad():
            return torch.cat([self.model.decode(some.unflatten(1, self.code_shape)) for some in z.split(BATCH)])

    def symbols(self, z: Tensor) -> Tensor:
        """What an entropy coder counts of codes (N, D) that are flat: (N, S), int64 of entries of a codebook."""
        with torch.no_grad():
            return torch.cat([self.model.symbols(some.unflatten(1, self.code_shape)) for some in z.split(BATCH)])

    @cached_property
    def code_shape(self) -> torch.Size:
        """(*positions, D)"""
        with torch.no_grad():
            return self.model.encode(self.data.test[torch.tensor([0])].x).mean.shape[1:]

    def class_name(self, label: int) -> str:
        """Its name, where classes have names, or its number."""
        return self.data.class_names[label] if self.data.class_names and label >= 0 else str(label)

    def map(self, function: Callable[[Batch], Tensor], part: Examples) -> Tensor:
        """function(batch) over the part in order, (N, ...)"""
        with torch.no_grad():
            return torch.cat([function(batch) for batch in part.batches(BATCH)])

    def _once(self, name: str, part: Examples, function: Callable[[Batch], Tensor]) -> Tensor:
        if (name, part) not in self._known:
            self._known[name, part] = self.map(function, part)
        return self._known[name, part]

    def _errors(self, batch: Batch) -> Tensor:
        x, restored = batch.x, self.model.reconstruct(*batch)
        error = (x - restored).square().flatten(1).sum(1)
        is_image = x.dim() == 4 and self.data.bounded
        alike = ssim(restored, x, self.data.scale) if is_image else torch.full_like(error, nan)
        return torch.stack([error, self.model.clean_loss(batch).terms["recon"], alike], dim=1).double()  # (B, 3)


def refuse_without_labels(*parts: Examples) -> None:
    """NotApplicable where a part has no example with a label."""
    if not all((part.y >= 0).any() for part in parts):
        raise NotApplicable("the data have no labels: choose labelled data, or evaluation=[reconstruction]")
