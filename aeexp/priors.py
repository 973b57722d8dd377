"""What a model believes of its codes before it sees any image: the first of the two steps in which it generates."""

from abc import ABC, abstractmethod
from math import log, pi
from typing import NoReturn

import torch
from torch import Tensor, nn

from aeexp.errors import NotApplicable


class Prior(nn.Module, ABC):
    @abstractmethod
    def sample(self, n: int) -> Tensor:
        """(n, *positions, D). NotApplicable where the model has no prior."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats: (B, *positions, D) -> (B,). NotApplicable where the model has no prior."""

    def quantiles(self, shares: Tensor) -> Tensor:
        """The values of a unit below which these shares of p(z_j) lie, (n,) -> (n,). NotApplicable without p(z_j)."""
        raise NotApplicable("the units of this prior have no common marginal distribution: choose code=gaussian")


class StandardNormal(Prior):
    """p(z) = N(0, I)"""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape  # (*positions, D)

    def sample(self, n: int) -> Tensor:
        return torch.randn(n, *self.shape)

    def log_prob(self, z: Tensor) -> Tensor:
        return -0.5 * (z.square() + log(2 * pi)).flatten(1).sum(1)

    def quantiles(self, shares: Tensor) -> Tensor:
        return torch.special.ndtri(shares)


class NoPrior(Prior):
    """Of a model that says nothing of its codes; a density can still be fitted to them after the training."""

    def sample(self, n: int) -> Tensor:
        _none()

    def log_prob(self, z: Tensor) -> Tensor:
        _none()


def _none() -> NoReturn:
    raise NotApplicable(
        "this model has no prior over its codes: choose model=vae or model=adversarial, or a density that is fitted to "
        "the codes of the training examples"
    )
