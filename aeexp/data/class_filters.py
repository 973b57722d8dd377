"""Which classes are trained on, of any labelled data set; the test part holds all of them."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from aeexp.errors import UserError


class ClassFilter(ABC):
    @abstractmethod
    def normal(self, y: Tensor) -> Tensor:
        """(N,) int64 -> (N,) bool: which are trained and validated on"""

    def kept(self, indices: Tensor, y: Tensor, part: str) -> Tensor:
        """Those of the indices (n,) whose label in y (N,) is normal. UserError where it is none of the `part`."""
        kept = indices[self.normal(y[indices])]
        if not len(kept):
            classes = y[indices][y[indices] >= 0].unique().tolist()
            there = f"with the classes {', '.join(map(str, classes))}" if classes else "without labels"
            raise UserError(
                f"data.class_filter leaves none of the {len(indices)} {part} examples, {there}: choose other classes"
            )
        return kept


class AllClasses(ClassFilter):
    def normal(self, y: Tensor) -> Tensor:
        return torch.ones_like(y, dtype=torch.bool)


class OneClass(ClassFilter):
    """Only `classes` are trained on."""

    def __init__(self, classes: list[int]) -> None:
        self.classes = torch.tensor(classes)

    def normal(self, y: Tensor) -> Tensor:
        return torch.isin(y, self.classes)


class LeaveOut(ClassFilter):
    """All but `classes` are trained on."""

    def __init__(self, classes: list[int]) -> None:
        self.classes = torch.tensor(classes)

    def normal(self, y: Tensor) -> Tensor:
        return (y >= 0) & ~torch.isin(y, self.classes)
