"""Ladder variational autoencoder of two layers. Sonderby, Raiko, Maaloe, Sonderby and Winther (2016), eq. 5 to 13.

    p(x, z) = p(x | z_1, z_2) p(z_1 | z_2) p(z_2),    p(z_2) = N(0, I),    p(z_1 | z_2) = N(m(z_2), s(z_2)^2)
    q(z | x) = q(z_2 | x) q(z_1 | x, z_2),            q(z_1 | x, z_2) in proportion to q^(z_1 | x) p(z_1 | z_2)

so that the mean of q(z_1 | x, z_2) is that of what x says and what z_2 expects, weighted by their precisions:

    sigma^-2 = sigma^^-2 + s^-2,    mu = (mu^ sigma^^-2 + m s^-2) sigma^2
    J(x) = -log p(x | z) + beta (KL(q(z_2 | x) || p(z_2)) + KL(q(z_1 | x, z_2) || p(z_1 | z_2)))

The code is [z_1, z_2], the fraction `top` of its units is z_2, and the decoder reads both (theirs reads z_1).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, pi
from typing import cast

import torch
from torch import Tensor, nn

from aeexp.codes.base import DiagonalNormal, refuse_other_than_gaussian
from aeexp.codes.gaussian import divergences, divergences_between, statistics
from aeexp.errors import UserError
from aeexp.models.base import Components, Factored
from aeexp.priors import Prior
from aeexp.types import Batch, Code, Loss


class LadderVAE(Factored):
    def __init__(self, components: Components, top: float, width: int) -> None:
        super().__init__(components)
        units = max(1, round(top * components.dim))
        refuse_other_than_gaussian(self.code, "model=ladder_vae has two layers", "model=vae with this code")
        if self.encoder.positions or not 0 < top < 1 or units >= components.dim or width < 1:
            raise UserError(
                f"model=ladder_vae gives model.top={top} of a vector's bottleneck.dim={components.dim} units to its "
                f"second layer, by model.width={width} hidden units, and positions {self.encoder.positions} have none: "
                "choose a vector code of at least 2 units and a top between 0 and 1"
            )
        self.prior = Layers(components.dim - units, units, width)
        self.prior.apply(components.initialization)

    def loss(self, batch: Batch) -> Loss:
        h, switches = self.features(self.corruption(batch.x), None)
        q = self._posterior(h)
        z_2 = q.second.sample(1)[0][0]
        q_1, p_1 = q.first_given(z_2), self.layers.first_given(z_2)
        z_1 = q_1.sample(1)[0][0]
        kl = torch.cat([divergences_between(q_1, p_1), divergences(*q.second)], 1)  # (B, D)
        recon = self.likelihood.nll(self.decoder(torch.cat([z_1, z_2], 1), *switches), batch.x)
        stats = statistics(torch.cat([q_1.mu, q.second.mu], 1), kl)
        return Loss({"recon": recon, "kl": cast(float, self.code.kl_weight) * kl.sum(1)}, stats)

    def encode_with_switches(self, x: Tensor, y: Tensor | None = None) -> tuple[Code, list[Tensor]]:
        """The mean of z_2, and of z_1 given it."""
        h, switches = self.features(x, y)
        q = self._posterior(h)
        mean = torch.cat([q.first_given(q.second.mu).mu, q.second.mu], 1)
        return Code(mean, mean), switches

    def posterior(self, x: Tensor, y: Tensor | None = None) -> "LadderPosterior":
        return self._posterior(self.features(x, y)[0])

    @property
    def layers(self) -> "Layers":
        return cast(Layers, self.prior)

    def _posterior(self, h: Tensor) -> "LadderPosterior":
        layers = (part.split([self.layers.dim, self.layers.top], 1) for part in self.code.project(h).chunk(2, 1))
        first, second = map(DiagonalNormal, *layers)
        return LadderPosterior(first, second, self.layers)


class Layers(Prior):
    """p(z_1 | z_2) p(z_2) of codes [z_1, z_2] of dim + top units."""

    def __init__(self, dim: int, top: int, width: int) -> None:
        super().__init__()
        self.dim, self.top = dim, top
        self.network = nn.Sequential(nn.Linear(top, width), nn.ReLU(), nn.Linear(width, 2 * dim))

    def first_given(self, z_2: Tensor) -> DiagonalNormal:
        """p(z_1 | z_2): (..., top) -> of (..., dim)"""
        return DiagonalNormal(*self.network(z_2).chunk(2, -1))

    def sample(self, n: int) -> Tensor:
        z_2 = torch.randn(n, self.top)
        with torch.no_grad():
            return torch.cat([self.first_given(z_2).sample(1)[0][0], z_2], 1)

    def log_prob(self, z: Tensor) -> Tensor:
        z_1, z_2 = z.split([self.dim, self.top], -1)
        of_second = -0.5 * (z_2.square() + log(2 * pi))
        return torch.cat([self.first_given(z_2).log_prob(z_1), of_second], -1).sum(-1)


@dataclass(frozen=True)
class LadderPosterior:
    first: DiagonalNormal  # what x alone says of z_1, N(mu^, sigma^^2)
    second: DiagonalNormal  # q(z_2 | x)
    layers: Layers

    def first_given(self, z_2: Tensor) -> DiagonalNormal:
        """q(z_1 | x, z_2): (..., B, top) -> of (..., B, dim)"""
        (mu_x, log_var_x), (mu_2, log_var_2) = self.first, self.layers.first_given(z_2)
        log_precision = torch.logaddexp(-log_var_x, -log_var_2)
        mu = (mu_x * (-log_var_x).exp() + mu_2 * (-log_var_2).exp()) * (-log_precision).exp()
        return DiagonalNormal(mu, -log_precision)

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        z_2, log_q_2 = self.second.sample(n, generator)
        mu, log_var = self.first_given(z_2)  # (n, B, dim)
        z_1, log_q_1 = DiagonalNormal(mu.flatten(0, 1), log_var.flatten(0, 1)).sample(1, generator)
        return torch.cat([z_1.view_as(mu), z_2], 2), log_q_1.view_as(log_q_2) + log_q_2

    def each(self) -> Iterator["LadderPosterior"]:
        for first, second in zip(self.first.each(), self.second.each(), strict=True):
            yield LadderPosterior(first, second, self.layers)
