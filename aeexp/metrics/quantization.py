"""Uniform scalar quantization of codes, and the length of the symbols under an entropy code.

The range of a unit, from its least to its greatest training value, is cut into 2^b equal intervals; a symbol is the
number of one of them.
"""

import torch
from torch import Tensor

FLOAT = 32  # bits


def quantize(z: Tensor, train: Tensor, b: int) -> Tensor:
    """Codes (M, D) -> symbols (M, D) int64 in [0, 2^b), by the ranges of the training codes (N, D)"""
    low, high = train.min(0).values, train.max(0).values
    return ((z - low) / (high - low).clamp_min(1e-30) * 2**b).long().clamp(0, 2**b - 1)


def centroids(symbols: Tensor, train: Tensor, b: int) -> Tensor:
    """The mean of the training codes (N, D) of each symbol, (2^b, D); the interval's middle where it has none."""
    low, high = train.min(0).values, train.max(0).values
    middle = low + (high - low) * (torch.arange(2**b)[:, None] + 0.5) / 2**b
    return middle.scatter_reduce(0, symbols, train, "mean", include_self=False)


def code_length(train: Tensor, test: Tensor, size: int) -> float:
    """Mean over test examples of sum_j -log2 p_j(symbol), bits: symbols (N, D) and (M, D) of an alphabet of `size`.

    p_j are the frequencies among the training symbols, with one added to each count (Laplace smoothing).
    """
    counts = torch.zeros(size, train.shape[1], dtype=torch.float64)
    counts.scatter_add_(0, train, torch.ones_like(train, dtype=torch.float64))
    p = (counts + 1) / (len(train) + size)
    return -p.gather(0, test).log2().sum(1).mean().item()


def lossless_bits(train: Tensor, test: Tensor) -> float:
    """Bits of unquantized codes or of symbols, (N, S) and (M, S).

    A unit with few distinct values has the code length of these; any other, 32 bits.
    """
    total = 0.0
    for known, new in zip(train.unbind(1), test.unbind(1), strict=True):
        values, numbers = torch.cat([known, new]).unique(return_inverse=True)
        few = 2 * len(values) <= len(numbers)
        first, second = numbers[: len(known), None], numbers[len(known) :, None]
        total += code_length(first, second, len(values)) if few else FLOAT
    return total
