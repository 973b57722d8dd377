"""The contract of a bottleneck, which is what everybody else knows of a code."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import log, pi
from typing import NamedTuple, NoReturn, Protocol

import torch
from torch import Tensor, nn

from aeexp.errors import NotApplicable, UserError
from aeexp.priors import NoPrior, Prior
from aeexp.types import Code


class Posterior(Protocol):
    """The approximate posterior q(z | x) of each of B examples."""

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """n samples of each example, through which gradients pass, (n, B, *positions, D), and log q(z | x) in nats,
        (n, B)."""

    def each(self) -> Iterator["Posterior"]:
        """That of one example after the other."""


class DiagonalNormal(NamedTuple):
    """q(z | x) = N(mu, diag sigma^2)"""

    mu: Tensor  # (B, *positions, D)
    log_var: Tensor  # log sigma^2, the same shape

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """z = mu + sigma eps. No gradient of log q passes through z - mu, which eps alone decides."""
        eps = torch.randn(n, *self.mu.shape, dtype=self.mu.dtype, device=self.mu.device, generator=generator)
        log_q = -0.5 * (eps.square() + self.log_var + log(2 * pi))
        return self.mu + (0.5 * self.log_var).exp() * eps, log_q.flatten(2).sum(2)

    def log_prob(self, z: Tensor) -> Tensor:
        """log N(z; mu, sigma^2) of each unit, nats; z and both as they broadcast."""
        return -0.5 * ((z - self.mu).square() / self.log_var.exp() + self.log_var + log(2 * pi))

    def each(self) -> Iterator["DiagonalNormal"]:
        return map(DiagonalNormal, self.mu.split(1), self.log_var.split(1))


class Bottleneck(nn.Module, ABC):
    """Features h (B, *positions, F) -> Code of D units a position, by its own projection a = W h + b.

    A code sets `project` and says in `of` what it makes of a. The defaults are those of a real-valued, deterministic
    code without a prior.
    """

    project: nn.Linear
    activation: nn.Module | None  # s, where z = mean = s(a) and nothing else
    differentiable: bool = True  # whether the mean code has a derivative by its features
    k: int | None = None  # units that are not 0, where each code has as many
    codebook_size: int | None = None  # entries of the codebook, where each symbol is one of them
    per_position: int  # symbols of a position, where there is a codebook

    def __init__(self) -> None:
        super().__init__()
        self.activation = None

    def forward(self, h: Tensor) -> Code:
        return self.of(self.project(h).to(self.project.weight))  # single, where a network is in half precision

    @abstractmethod
    def of(self, a: Tensor) -> Code:
        """The code of pre-activations a = project(h), (B, *positions, W of the projection)"""

    @property
    def kl_weight(self) -> float | None:
        """beta, where the code costs beta KL(q || p) for each example by itself."""
        return None

    def prior(self, positions: tuple[int, ...]) -> Prior:
        """p(z) of the codes that the decoder reads, (*positions, D)."""
        return NoPrior()

    def posterior(self, h: Tensor) -> Posterior:
        """q(z | x) of features h. NotApplicable where the code is deterministic."""
        _none(self, "posterior q(z | x)", "code=gaussian")

    def symbols(self, z: Tensor) -> Tensor:
        """What an entropy coder counts, in a row: (B, *positions, D) -> (B, S), the indices of entries of the codebook,
        int64, or the units where there is none."""
        return z.flatten(1)

    def entries(self, k: Tensor) -> Tensor:
        """The codes of symbols, flat: (B, S) -> (B, prod(positions) D). NotApplicable without a codebook."""
        _none(self, "codebook", "code=vq")


def refuse_other_than_gaussian(code: Bottleneck, what: str, otherwise: str) -> None:
    """UserError where a code is not code=gaussian, of which `what` the model has is said."""
    if code.kl_weight is None:
        raise UserError(
            f"{what} of code=gaussian, but the code is {type(code).__name__}: choose code=gaussian, or {otherwise}"
        )


def _none(code: Bottleneck, what: str, choose: str) -> NoReturn:
    raise NotApplicable(f"the code {type(code).__name__} has no {what}: choose {choose}")
