"""Codes whose distribution over all examples, the aggregated posterior q(z), is drawn to p(z) = N(0, I).

MMD           Wasserstein autoencoder. Tolstikhin, Bousquet, Gelly and Schoelkopf (2018), algorithm 2: z = W h + b, cost
              weight MMD^2(q(z), p(z))
Sliced        Sliced-Wasserstein autoencoder. Kolouri, Pope, Martin and Rohde (2019), eq. 10: z = W h + b, cost
              weight SW_2^2(q(z), p(z))
Information   InfoVAE. Zhao, Song and Ermon (2019), eq. 6: z ~ q(z | x) = N(mu, diag sigma^2), cost
              (1 - alpha) KL(q(z | x) || p(z)) + (alpha + weight - 1) MMD^2(q(z), p(z))

With n codes z of a batch, n draws z' of p(z), and the kernel k(a, b) = C / (C + ||a - b||^2), C = 2 D,

    MMD^2 = sum_{i != j} (k(z_i, z_j) + k(z'_i, z'_j)) / n (n - 1) - 2 sum_{i, j} k(z_i, z'_j) / n^2

which is unbiased, so that it can be below 0, and with random directions w of length 1

    SW_2^2 = mean over w of 1/n sum_i ((w z)_(i) - (w z')_(i))^2,    (i) the i-th in order.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from aeexp.codes.base import Bottleneck
from aeexp.codes.gaussian import Variational
from aeexp.errors import UserError
from aeexp.priors import Prior, StandardNormal
from aeexp.types import Code


class Deterministic(Bottleneck):
    def __init__(self, in_features: int, dim: int, weight: float) -> None:
        super().__init__()
        self.project, self.activation, self.dim = nn.Linear(in_features, dim), nn.Identity(), dim
        self.weight = _weight(weight)

    def prior(self, positions: tuple[int, ...]) -> Prior:
        return StandardNormal((*positions, self.dim))


class MMD(Deterministic):
    def of(self, a: Tensor) -> Code:
        return Code(a, a, {"mmd": self.weight * squared_mmd(a.flatten(1))})


class Sliced(Deterministic):
    """`directions` are drawn anew at each step."""

    def __init__(self, in_features: int, dim: int, weight: float, directions: int) -> None:
        super().__init__(in_features, dim, weight)
        if directions < 1:
            raise UserError(f"code.directions={directions} are what codes are compared along: choose at least 1")
        self.directions = directions

    def of(self, a: Tensor) -> Code:
        return Code(a, a, {"sliced": self.weight * squared_sliced_wasserstein(a.flatten(1), self.directions)})


class Information(Variational):
    def __init__(self, in_features: int, dim: int, alpha: float, weight: float) -> None:
        super().__init__(in_features, dim)
        if alpha > 1:
            raise UserError(f"code.alpha={alpha} of the divergence costs nothing: choose at most 1")
        self.alpha, self.weight = alpha, _weight(weight)

    def cost(self, kl: Tensor, z: Tensor) -> dict[str, Tensor]:
        mmd = squared_mmd(z.flatten(1))
        return {"kl": (1 - self.alpha) * kl.flatten(1).sum(1), "mmd": (self.alpha + self.weight - 1) * mmd}


def squared_mmd(z: Tensor) -> Tensor:
    """Codes (n, D) -> an unbiased estimate of their squared distance from N(0, I), (); 0 of one code alone."""
    n, drawn, scale = torch.ones_like(z[:, 0]).sum(), torch.randn_like(z), 2 * z.shape[1]

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        squares = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
        return scale / (scale + squares.clamp_min(0))

    alike = kernel(z, z) + kernel(drawn, drawn)
    pairs = alike.sum() - alike.diagonal().sum()
    return (pairs / (n * (n - 1)).clamp_min(1) - 2 * kernel(z, drawn).mean()) * (n > 1)


def squared_sliced_wasserstein(z: Tensor, directions: int) -> Tensor:
    """Codes (n, D) -> their squared distance from as many draws of N(0, I), ()"""
    drawn = torch.randn_like(z)
    w = normalize(torch.randn(directions, z.shape[1], dtype=z.dtype, device=z.device), dim=1)
    return ((z @ w.T).sort(0).values - (drawn @ w.T).sort(0).values).square().mean()


def _weight(weight: float) -> float:
    if weight < 0:
        raise UserError(f"code.weight={weight} is what the distance from the prior costs: choose at least 0")
    return weight
