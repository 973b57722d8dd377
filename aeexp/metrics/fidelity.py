"""Similarity of two sets of features: Frechet distance, precision, recall, density, coverage; nearest examples.

Features are (N, F), n of them (n, F).

All distances are Euclidean, computed for blocks of BATCH x BATCH pairs at a time.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from aeexp.data.examples import BATCH, Examples


def frechet(a: Tensor, b: Tensor) -> float:
    """|m - m'|^2 + tr(C + C' - 2 (C C')^1/2), Heusel et al. (2017), eq. 6, with the unbiased covariances C.

    The eigenvalues of C C' are those of C^1/2 C' C^1/2, which is symmetric, so no root of a defective matrix is taken.
    """
    (m, C), (m_, C_) = (_moments(features.double()) for features in (a, b))
    values, vectors = torch.linalg.eigh(C)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T  # C^1/2
    cross = torch.linalg.eigvalsh(root @ C_ @ root).clamp_min(0).sqrt().sum()
    return ((m - m_).square().sum() + C.trace() + C_.trace() - 2 * cross).clamp_min(0).item()


class Support(NamedTuple):
    """Of n features and the N balls of a manifold."""

    balls: Tensor  # (n,) int64: how many balls each feature lies in
    covered: Tensor  # (N,) bool: whether any feature lies in the ball


class Manifold:
    """Balls around each of a set of features, up to the k-th nearest other one. Kynkäänniemi et al. (2019), eq. 1.

    k is lowered to the number of the others.
    """

    def __init__(self, features: Tensor, k: int) -> None:
        self.features = features.double()
        self.k = min(k, len(features) - 1)
        # the nearest of all is the feature itself
        radii = [_nearest(some, self.features, self.k + 1)[:, -1] for some in self.features.split(BATCH)]
        self.radii = torch.cat(radii)  # (N,), squared

    def support(self, features: Tensor) -> Support:
        """Which of the features (n, F) lie in which balls"""
        balls, covered = [], torch.zeros(len(self.radii), dtype=torch.bool)
        for some in features.double().split(BATCH):
            blocks = zip(self.features.split(BATCH), self.radii.split(BATCH), strict=True)
            inside = [_squares(some, centres) <= radii for centres, radii in blocks]
            balls.append(sum((block.sum(1) for block in inside), start=torch.zeros(len(some), dtype=torch.int64)))
            covered |= torch.cat([block.any(0) for block in inside])
        return Support(torch.cat(balls), covered)


def fidelity_and_diversity(real: Manifold, features: Tensor) -> dict[str, float]:
    """Metrics of generated features (n, F) against the manifold of real ones, of N balls and of the same k.

    precision   the fraction of generated features in any ball; recall, of real ones in any ball of the generated ones.
                Kynkäänniemi et al. (2019), Improved precision and recall metric, eq. 2
    density     1 / (k n) sum_j (number of balls that hold generated feature j); may be above 1
    coverage    the fraction of balls that hold any generated feature. Naeem et al. (2020), Reliable fidelity and
                diversity metrics for generative models, eq. 3 and 4
    """
    support = real.support(features)
    recalled = Manifold(features, real.k).support(real.features).balls > 0
    return {
        "precision": (support.balls > 0).double().mean().item(),
        "recall": recalled.double().mean().item(),
        "density": support.balls.double().mean().item() / max(1, real.k),
        "coverage": support.covered.double().mean().item(),
    }


def nearest(x: Tensor, train: Examples) -> tuple[Tensor, Tensor]:
    """Of examples (n, *shape): the distance to the training example nearest to each in pixels, and its place, (n,)."""
    best, place = torch.full((len(x),), torch.inf), torch.zeros(len(x), dtype=torch.int64)
    for number, batch in enumerate(train.batches(BATCH)):
        # products of matrices are many times faster, and near enough to find the place
        found, where = torch.cdist(x.flatten(1), batch.x.flatten(1)).min(1)
        best, place = torch.minimum(best, found), torch.where(found < best, where + number * BATCH, place)
    return (x - train[place].x).flatten(1).norm(dim=1), place


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    return features.mean(0), features.T.cov()


def _nearest(some: Tensor, features: Tensor, k: int) -> Tensor:
    """The k least squared distances of each, (n, k) in order."""
    blocks = [_squares(some, block).topk(min(k, len(block)), largest=False).values for block in features.split(BATCH)]
    return torch.cat(blocks, dim=1).topk(k, largest=False).values


def _squares(a: Tensor, b: Tensor) -> Tensor:
    """(n, F), (m, F), float64 -> |a - b|^2, (n, m). What the last digits leave between two equal features is none."""
    lengths = a.square().sum(1)[:, None] + b.square().sum(1)  # (n, m)
    squares = torch.addmm(lengths, a, b.T, alpha=-2)
    return squares.masked_fill_(squares < 1e-12 * lengths, 0)
