"""Codes as bits, and the examples that have the same ones: Salakhutdinov and Hinton (2009), Semantic hashing."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


def binary(z: Tensor, train: Tensor) -> Tensor:
    """Codes (M, D) -> 0 or 1: rounded where the training codes lie in [0, 1], else whether above their median."""
    probable = train.min() >= 0 and train.max() <= 1
    threshold = z.new_tensor(0.5) if probable else train.median(0).values
    return (z > threshold).to(z)


def numbered(*bits: Tensor) -> list[Tensor]:
    """(N, D) each -> the number of each one's bucket, (N,) int64; equal bits have one number."""
    packed = np.ascontiguousarray(np.packbits(torch.cat(bits).bool().numpy(), axis=1))
    _, numbers = np.unique(packed.view(f"V{packed.shape[1]}").ravel(), return_inverse=True)
    return list(torch.as_tensor(numbers).split([len(part) for part in bits]))


def shared(a: Tensor, b: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """For each bucket that both have: its members in a and in b, positions."""
    in_a, in_b = _members(a), _members(b)
    yield from ((in_a[number], in_b[number]) for number in in_b if number in in_a)


def _members(numbers: Tensor) -> dict[int, Tensor]:
    values, counts = numbers.unique(return_counts=True)
    return dict(zip(values.tolist(), numbers.argsort(stable=True).split(counts.tolist()), strict=True))
