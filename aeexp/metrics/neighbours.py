"""The k nearest of many codes, exactly, by matrix products of which no row is kept.

||q - t||^2 = ||q||^2 + (||t||^2 - 2 q.t), where ||q||^2 is the same for all t. The products come in tiles, and of each
group of them only the least stays: whatever is among the k nearest lies in one of the k groups with the least minima,
and these in the k columns of groups with the least minima of minima. Their members alone are compared again, by their
differences. Memory beside the codes, once in tiles: under 20 MB, and k D floats where that is more.
"""

from abc import ABC, abstractmethod
from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from aeexp.metrics.finite import refuse_not_finite

QUERIES = 256  # at once
ACROSS, TALL, DEEP = 128, 32, 16  # the tile of one product is `deep`, up to DEEP, codes of each of ACROSS groups
FLOATS = 2**20  # compared at once by their differences


class Geometry(ABC):
    """The distance of codes: coordinates in which it is Euclidean."""

    @abstractmethod
    def place(self, z: Tensor, train: Tensor) -> Tensor:
        """Codes z (M, D), and those of the training examples (N, D) -> (M, D)"""


class Euclidean(Geometry):
    """The codes as they are."""

    def place(self, z: Tensor, train: Tensor) -> Tensor:
        return z


class Cosine(Geometry):
    """On the unit sphere: ||a - b||^2 = 2 - 2 cos(a, b)"""

    def place(self, z: Tensor, train: Tensor) -> Tensor:
        return normalize(z, dim=1)


class Standardised(Geometry):
    """Each unit in deviations of its training values; one that never varies counts nothing."""

    def place(self, z: Tensor, train: Tensor) -> Tensor:
        deviation, mean = torch.std_mean(train, 0, correction=0)
        return torch.where(deviation > 0, (z - mean) / deviation, 0)


class Neighbours:
    """Codes (N, D) that can be searched. UserError where one is not finite."""

    def __init__(self, codes: Tensor) -> None:
        refuse_not_finite(codes)
        # far from the origin the products lose digits; a whole number keeps 0 and 1 exact
        self.centre = codes.mean(0).round()
        self.codes = codes - self.centre
        self.deep = min(DEEP, ceil(len(codes) / (TALL * ACROSS)))
        self.tall = ceil(len(codes) / (self.deep * ACROSS))  # groups of a column, and tiles
        padded = codes.new_zeros(self.tall * self.deep * ACROSS, codes.shape[1] + 1)
        padded[: len(codes), :-1] = -2 * self.codes
        padded[:, -1] = torch.inf
        padded[: len(codes), -1] = self.codes.square().sum(1)
        # code i is in group i // deep, and this in column i // deep // tall: what is earlier has the lesser number
        tiles = padded.view(ACROSS, self.tall, self.deep, -1).permute(1, 3, 2, 0)
        self.tiles = tiles.reshape(self.tall, -1, self.deep * ACROSS)  # (tiles, D + 1, codes)

    def nearest(self, queries: Tensor, k: int) -> Tensor:
        """(M, D) -> (M, k) positions of the nearest, the nearest first, and of equally near ones the earlier."""
        k = min(k, len(self.codes))
        return torch.cat([self._nearest(some - self.centre, k) for some in queries.split(QUERIES)])

    def _nearest(self, queries: Tensor, k: int) -> Tensor:
        least = self._least(queries)  # (B, tall, ACROSS)
        columns = _first(least.amin(1), torch.arange(ACROSS).expand(len(queries), -1), k)
        minima = least.gather(2, columns[:, None].expand(-1, self.tall, -1)).transpose(1, 2).flatten(1)
        groups = _first(minima, _members(columns, self.tall), k)
        codes = _members(groups, self.deep)
        some = max(1, FLOATS // (codes.shape[1] * queries.shape[1]))
        parts = zip(queries.split(some), codes.split(some), strict=True)
        return _first(torch.cat([self._distances(*part) for part in parts]), codes, k)

    def _distances(self, queries: Tensor, codes: Tensor) -> Tensor:
        """Of queries (B, D) to the codes of these numbers (B, n) -> (B, n); infinite where there is none."""
        there = codes < len(self.codes)
        rows = self.codes[codes.where(there, 0)]  # (B, n, D)
        return (rows - queries[:, None]).square_().sum(2).where(there, torch.inf)

    def _least(self, queries: Tensor) -> Tensor:
        """The least ||t||^2 - 2 q.t of each group, (B, tall, ACROSS)"""
        augmented = torch.cat([queries, queries.new_ones(len(queries), 1)], 1)
        least = queries.new_empty(len(queries), self.tall, ACROSS)
        tile = queries.new_empty(len(queries), self.deep * ACROSS)  # used again and again: it stays in the cache
        for codes, minima in zip(self.tiles, least.unbind(1), strict=True):
            torch.mm(augmented, codes, out=tile)
            torch.amin(tile.view(-1, self.deep, ACROSS), 1, out=minima)
        return least


def majority_vote(labels: Tensor) -> Tensor:
    """The commonest label of each row, (M, k) -> (M,); of equally common ones the smallest"""
    return torch.cat([one_hot(some).sum(1).argmax(1) for some in labels.split(1000)])


def _members(groups: Tensor, size: int) -> Tensor:
    """Numbers of groups (B, k) -> of what is in them, (B, k size)"""
    return (groups[:, :, None] * size + torch.arange(size)).flatten(1)


def _first(values: Tensor, numbers: Tensor, k: int) -> Tensor:
    """The numbers of the k least values, in order; of equal ones the lesser number. (B, n) float32 and int64 -> (B, k)

    Each pair is one integer: the float's bits, which are in the order of the floats where the negative ones' are
    flipped, before the number.
    """
    bits = (values + 0.0).view(torch.int32)  # + 0.0: no -0.0
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    pairs = (ordered.long() << 32) | numbers
    return pairs.topk(min(k, values.shape[1]), 1, largest=False).values & 0xFFFFFFFF
