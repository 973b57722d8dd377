"""The variational code. Kingma and Welling (2014), Auto-encoding variational Bayes, eq. 10 and appendix B.

    q(z | x) = N(mu, diag sigma^2),  z = mu + sigma * eps,  eps ~ N(0, I)
    KL_j = 1/2 (mu_j^2 + sigma_j^2 - 1 - log sigma_j^2),    KL(q(z | x) || N(0, I)) = sum_j KL_j

What the divergence costs:

    Gaussian     beta KL                            Higgins et al. (2017), beta-VAE, eq. 4
    Capacity     gamma |mean KL - C|                Burgess et al. (2018), Understanding disentangling (beta-VAE), eq. 8
    FreeBits     beta sum_j max(lambda, mean KL_j)  Kingma et al. (2016), Inverse autoregressive flow (free bits)

The means are over the batch: the KL of a single example may be above or below C or lambda.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from aeexp.codes.base import Bottleneck, DiagonalNormal
from aeexp.errors import UserError
from aeexp.priors import Prior, StandardNormal
from aeexp.types import Code, EpochStatistic

ACTIVE = 0.01  # the least variance of an active unit: Burda et al. (2016), Importance weighted autoencoders


class Variational(Bottleneck):
    def __init__(self, in_features: int, dim: int) -> None:
        super().__init__()
        self.project, self.dim = nn.Linear(in_features, 2 * dim), dim

    def of(self, a: Tensor) -> Code:
        """z is a fresh sample at every call; `mean` is mu."""
        mu, log_var = a.chunk(2, dim=-1)
        z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)
        kl = divergences(mu, log_var)
        return Code(z, mu, self.cost(kl, z), statistics(mu, kl))

    def prior(self, positions: tuple[int, ...]) -> Prior:
        return StandardNormal((*positions, self.dim))

    def posterior(self, h: Tensor) -> DiagonalNormal:
        return DiagonalNormal(*self.project(h).chunk(2, dim=-1))

    @abstractmethod
    def cost(self, kl: Tensor, z: Tensor) -> dict[str, Tensor]:
        """Weighted nats by name, of KL_j and samples z, (B, *positions, D) each: (B,) or ()"""


class Gaussian(Variational):
    def __init__(self, in_features: int, dim: int, beta: float) -> None:
        super().__init__(in_features, dim)
        self.beta = beta

    @property
    def kl_weight(self) -> float:
        return self.beta

    def cost(self, kl: Tensor, z: Tensor) -> dict[str, Tensor]:
        return {"kl": self.beta * kl.flatten(1).sum(1)}


class Capacity(Variational):
    """`capacity` is C, in nats; schedule=capacity raises it from 0 while training."""

    def __init__(self, in_features: int, dim: int, gamma: float, capacity: float) -> None:
        super().__init__(in_features, dim)
        if capacity < 0:
            raise UserError(f"code.capacity is a KL divergence, in nats, but got {capacity}: choose at least 0")
        self.gamma, self.capacity = gamma, capacity

    def cost(self, kl: Tensor, z: Tensor) -> dict[str, Tensor]:
        return {"kl": self.gamma * (kl.flatten(1).sum(1).mean() - self.capacity).abs()}


class FreeBits(Variational):
    """`free` is lambda, the nats that each unit may have at no cost."""

    def __init__(self, in_features: int, dim: int, beta: float, free: float) -> None:
        super().__init__(in_features, dim)
        if free < 0:
            raise UserError(
                f"code.free is the KL of a unit that costs nothing, in nats, but got {free}: choose at least 0"
            )
        self.beta, self.free = beta, free

    def cost(self, kl: Tensor, z: Tensor) -> dict[str, Tensor]:
        return {"kl": self.beta * kl.mean(0).clamp(min=self.free).sum()}


def divergences(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL_j, the shape of both"""
    return 0.5 * (mu.square() + log_var.exp() - 1 - log_var)


def statistics(mu: Tensor, kl: Tensor) -> dict[str, Tensor | EpochStatistic]:
    """Statistics of mu and KL_j, (B, *positions, D) each.

    kl_nats           KL, of each example
    kl_per_dimension  the mean of each KL_j over the data, as a histogram
    active_units      units whose mu_j varies over the data, by a variance beyond 0.01 (Burda et al. 2016)
    """
    mu, kl = mu.flatten(1), kl.flatten(1)
    return {
        "kl_nats": kl.sum(1),
        "units": EpochStatistic(torch.stack([mu, mu.square(), kl], dim=1), _summary),
    }  # (B, 3, D)


def _summary(means: Tensor) -> dict[str, Tensor]:
    mu, square, kl = means
    return {"active_units": (square - mu.square() > ACTIVE).sum().float(), "kl_per_dimension": kl}


def divergences_between(q: DiagonalNormal, p: DiagonalNormal) -> Tensor:
    """KL(q || p) of each unit, the shape of both"""
    apart = (q.log_var.exp() + (q.mu - p.mu).square()) / p.log_var.exp()
    return 0.5 * (apart - 1 + p.log_var - q.log_var)
