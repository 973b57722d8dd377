"""Which classes are trained on, of any labelled data set; the test part holds all of them.

A view maps labels y (N,) int64 to (N,) bool, true where an example is normal: kept for training and validation.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from aeexp.errors import UserError


class View(ABC):
    @abstractmethod
    def __call__(self, y: Tensor) -> Tensor:
        """UserError where nothing is kept."""


class Everything(View):
    def __call__(self, y: Tensor) -> Tensor:
        return torch.ones_like(y, dtype=torch.bool)


class OneClass(View):
    """Only the classes `normal` are trained on."""

    def __init__(self, normal: list[int]) -> None:
        self.normal = normal

    def __call__(self, y: Tensor) -> Tensor:
        return _kept(torch.isin(y, torch.tensor(self.normal)), y, f"data.view.normal={self.normal}")


class LeaveOut(View):
    """All classes but those `out` are trained on."""

    def __init__(self, out: list[int]) -> None:
        self.out = out

    def __call__(self, y: Tensor) -> Tensor:
        kept = (y >= 0) & ~torch.isin(y, torch.tensor(self.out))
        return _kept(kept, y, f"data.view.out={self.out}")


def _kept(kept: Tensor, y: Tensor, said: str) -> Tensor:
    if not kept.any():
        there = f"classes {', '.join(map(str, y[y >= 0].unique().tolist()))}" if (y >= 0).any() else "no labels"
        raise UserError(f"{said} leaves nothing to train on: the data have {there}")
    return kept
