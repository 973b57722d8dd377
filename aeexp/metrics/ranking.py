"""How high the relevant ones stand in a ranking by distance.

A ranking is kept as sorted integers: the bits of a distance, float32 and at least 0, are in the order of the distances,
and the lowest of them gives way to 1 where the example is relevant. So one sort of plain numbers ranks and remembers,
distances that differ in their last bit are equal, and of equally distant examples the relevant ones come last.
"""

import numpy as np
import torch
from torch import Tensor

Ranking = np.ndarray  # (M, n) int32, each row sorted


class Distances:
    """Queries (M, D) -> their squared distances to codes (N, D), (M, N): one matrix product."""

    def __init__(self, codes: Tensor) -> None:
        self.centre = codes.mean(0).round()  # as in Neighbours: distances of bits stay exact
        codes = codes - self.centre
        self.columns = torch.cat([-2 * codes, codes.square().sum(1, keepdim=True), codes.new_ones(len(codes), 1)], 1).T

    def __call__(self, queries: Tensor) -> Tensor:
        queries = queries - self.centre
        square = queries.square().sum(1, keepdim=True)
        return torch.cat([queries, torch.ones_like(square), square], 1) @ self.columns


def ranked(distances: Tensor, relevant: slice | Tensor) -> Ranking:
    """Distances (M, n), which are overwritten, and the columns that are relevant, or a mask of them, (M, n) bool"""
    keys = distances.clamp_min_(0).numpy().view(np.int32)
    keys &= ~1
    if isinstance(relevant, slice):
        keys[:, relevant] |= 1
    else:
        keys |= relevant.numpy()
    keys.sort(axis=1)
    return keys


def average_precision(ranking: Ranking) -> np.ndarray:
    """(1 / R) sum over the R relevant ones of (relevant ones up to its distance) / (all up to its distance), (M,)

    All at one distance count as one step, as in sklearn.metrics.average_precision_score. R >= 1, in each row the same.
    """
    places = np.flatnonzero((ranking & 1).astype(bool))
    equal = (ranking.ravel()[places]).reshape(len(ranking), -1)  # (M, R)
    ranks = (places % ranking.shape[1] + 1).reshape(equal.shape)
    last = np.where(equal[:, 1:] != equal[:, :-1], np.arange(equal.shape[1] - 1), equal.shape[1] - 1)
    last = np.pad(last, ((0, 0), (0, 1)), constant_values=equal.shape[1] - 1)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]  # of those that are equally distant
    return ((last + 1) / np.take_along_axis(ranks, last, axis=1)).mean(axis=1)


def precision(ranking: Ranking, k: int) -> np.ndarray:
    """The fraction of relevant ones among the first k, or all where they are fewer, (M,)

    The expectation over all orders of those that are as distant as the k-th.
    """
    k = min(k, ranking.shape[1])
    values = np.empty(len(ranking))
    for i, row in enumerate(ranking):
        first, end = row.searchsorted(row[k - 1] & ~1), row.searchsorted(row[k - 1] | 1, side="right")
        sure, among = (row[:first] & 1).sum(), (row[first:end] & 1).mean()
        values[i] = (sure + (k - first) * among) / k
    return values
