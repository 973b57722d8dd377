"""A finished run as its protocols see it: codes and reconstructions are computed once and shared by all of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.optim import Optimizer

from aeexp.data.examples import Examples
from aeexp.models.base import Autoencoder

BATCH = 1000  # examples at once; bounds memory and decides no number


class Splits(Protocol):
    """What a protocol reads of a data module."""

    train: Examples
    val: Examples
    test: Examples
    shape: tuple[int, ...]
    classes: int
    scale: float


@dataclass(frozen=True)
class Result:
    metrics: dict[str, float]  # None where the kind cannot answer
    figures: dict[str, Figure] = field(default_factory=dict)


class Subject:
    """A model in eval mode, its data, and the optimizer as training left it (None where nothing was trained)."""

    def __init__(self, model: Autoencoder, data: Splits, optimizer: Optimizer | None) -> None:
        self.model, self.data, self.optimizer = model.eval(), data, optimizer

    @cached_property
    def train_codes(self) -> tuple[Tensor, Tensor]:
        """Mean codes (N, D) and labels (N,) of the training examples."""
        return self._codes(self.data.train)

    @cached_property
    def test_codes(self) -> tuple[Tensor, Tensor]:
        """Mean codes (N, D) and labels (N,) of the test examples."""
        return self._codes(self.data.test)

    def map(self, function: Callable[..., Tensor], split: Examples) -> Tensor:
        """function(batch) over the split in order, (N, ...)"""
        with torch.no_grad():
            return torch.cat([function(batch) for batch in split.batches(BATCH)])

    def _codes(self, split: Examples) -> tuple[Tensor, Tensor]:
        return self.map(lambda batch: self.model.encode(batch.x).mean.flatten(1), split), split.y
