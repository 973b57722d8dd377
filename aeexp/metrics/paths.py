"""Paths between two codes, for interpolation: linear or spherical."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Path(ABC):
    @abstractmethod
    def __call__(self, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        """Codes a and b (D,) and t (T,) in [0, 1] -> (T, D)"""


class Linear(Path):
    """(1 - t) a + t b"""

    def __call__(self, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        return torch.lerp(a, b, t[:, None])


class Spherical(Path):
    """(sin((1 - t) w) a + sin(t w) b) / sin w,  w the angle between a and b: White (2016), section 2.1."""

    def __call__(self, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        w = torch.arccos(torch.cosine_similarity(a, b, dim=0).clamp(-1, 1))
        if w.sin() < 1e-4:  # parallel, or opposite, where no arc is the shortest
            return torch.lerp(a, b, t[:, None])
        return (((1 - t) * w).sin()[:, None] * a + (t * w).sin()[:, None] * b) / w.sin()
