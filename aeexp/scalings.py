"""Scalings x' = (x - shift) * factor, fitted to the training examples, in which a model reads and scores them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor

from aeexp.types import Batch


class Scaling(ABC):
    bounded: bool = False  # whether training examples are in [0, 1] then

    @abstractmethod
    def fit(self, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
        """Training examples, x (B, *shape), gone through once -> shift and factor, (*shape) or (), float64"""


class MinMax(Scaling):
    """shift = the least number of all features, factor = 1 / (the largest - the least)"""

    bounded = True

    def fit(self, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
        ranges = torch.stack([torch.stack([batch.x.min(), batch.x.max()]) for batch in batches]).double()
        low, high = ranges[:, 0].min(), ranges[:, 1].max()
        return low, _inverse(high - low)


class Standard(Scaling):
    """shift_i = mean of feature i, factor_i = 1 / its standard deviation; a constant feature is only shifted"""

    def fit(self, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
        mean, variance = _moments(batches)
        return mean, _inverse(variance.sqrt())


class MeanNorm(Scaling):
    """shift = the mean example m, factor = sqrt(D / E ||x - m||^2): one factor, after which E ||x'||^2 = D.

    What sparse autoencoders of activations are trained on: Templeton et al. (2024), Scaling monosemanticity; the mean
    is subtracted as in Gao et al. (2024), Scaling and evaluating sparse autoencoders, section 2.1.
    """

    def fit(self, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
        mean, variance = _moments(batches)
        return mean, _inverse(variance.mean().sqrt())


def _moments(batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """Mean and variance of each feature, (*shape) float64, by the pairwise update of Chan et al. (1979)."""
    n, mean, squares = 0, torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for batch in batches:
        x, m = batch.x.double(), len(batch.x)
        delta = x.mean(0) - mean
        squares = squares + (x - x.mean(0)).square().sum(0) + delta.square() * n * m / (n + m)
        mean, n = mean + delta * m / (n + m), n + m
    return mean, squares / n


def _inverse(spread: Tensor) -> Tensor:
    """1 / spread, and 1 where there is none."""
    return 1 / torch.where(spread > 0, spread, 1.0)
