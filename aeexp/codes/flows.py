"""Variational codes whose posterior is a normalising flow. Rezende and Mohamed (2015), Variational inference with
normalizing flows, eq. 5 to 7:

    z_0 ~ N(mu, diag sigma^2),  z = f_K(... f_1(z_0)),    log q(z | x) = log q_0(z_0) - sum_k log |det d f_k / d z|

which costs log q(z | x) - log p(z), an estimate of KL(q || N(0, I)) of one sample. A step is

Planar       z + u h(w^T z + b), h = tanh, with log |det| = log |1 + h'(w^T z + b) w^T u|: their eq. 10 to 12; u is
             bent so that w^T u >= -1, of which f is invertible (their appendix A.1)
InverseAutoregressive    s z + (1 - s) m, s_i and m_i of z_1 ... z_{i-1} and of the example, log |det| = sum_i log s_i:
             Kingma et al. (2016), eq. 10 to 13, with a masked network (Germain et al. 2015, MADE); the order of the
             units is reversed after each step

The representation, `mean`, is f(mu).
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, logsigmoid, softplus

from aeexp.codes.base import Bottleneck, DiagonalNormal
from aeexp.errors import UserError
from aeexp.priors import Prior, StandardNormal
from aeexp.types import Code


class Step(nn.Module):
    @abstractmethod
    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """(..., D), what the features say of the step (..., C) -> f(z), log |det d f / d z| (...)"""


class Flow(Bottleneck):
    def __init__(self, in_features: int, dim: int, steps: int, context: int) -> None:
        super().__init__()
        if steps < 1:
            raise UserError(f"code.steps={steps} make a flow: choose at least 1, or code=gaussian")
        self.project, self.dim, self.context = nn.Linear(in_features, 2 * dim + context), dim, context
        self.steps = nn.ModuleList(self.step() for _ in range(steps))

    @abstractmethod
    def step(self) -> Step:
        """One of the flow."""

    def of(self, a: Tensor) -> Code:
        (mu, log_var), context = self._base_and_context(a)
        eps = torch.randn_like(mu)
        z, log_det = self.transformed(mu + (0.5 * log_var).exp() * eps, context)
        # log q_0 and log p have the constant of a Gaussian both
        per_position = 0.5 * (z.square() - eps.square() - log_var).sum(-1) - log_det
        kl = per_position.view(a.shape[0], -1).sum(1)
        return Code(z, self.transformed(mu, context)[0], {"kl": kl}, {"kl_nats": kl})

    def prior(self, positions: tuple[int, ...]) -> Prior:
        return StandardNormal((*positions, self.dim))

    def posterior(self, h: Tensor) -> "FlowPosterior":
        return FlowPosterior(*self._base_and_context(self.project(h)), self)

    def transformed(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """f(z) and the sum of the steps' log |det|: (..., D), (..., C) -> (..., D), (...)"""
        total = z.new_zeros(z.shape[:-1])
        for step in self.steps:
            z, log_det = step(z, context)
            total = total + log_det
        return z, total

    def _base_and_context(self, a: Tensor) -> tuple[DiagonalNormal, Tensor]:
        """q_0, and the context of the steps."""
        mu, log_var, context = a.split([self.dim, self.dim, self.context], -1)
        return DiagonalNormal(mu, log_var), context


@dataclass(frozen=True)
class FlowPosterior:
    base: DiagonalNormal
    context: Tensor  # (B, *positions, C)
    flow: Flow

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        z_0, log_q_0 = self.base.sample(n, generator)
        z, log_det = self.flow.transformed(z_0, self.context.expand(n, *self.context.shape))
        return z, log_q_0 - log_det.reshape(*log_q_0.shape, -1).sum(2)

    def each(self) -> Iterator["FlowPosterior"]:
        for base, context in zip(self.base.each(), self.context.split(1), strict=True):
            yield FlowPosterior(base, context, self.flow)


class Planar(Flow):
    def __init__(self, in_features: int, dim: int, steps: int) -> None:
        super().__init__(in_features, dim, steps, context=0)

    def step(self) -> Step:
        return PlanarStep(self.dim)


class PlanarStep(Step):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.w, self.u = (nn.Parameter(torch.randn(dim) / dim**0.5) for _ in range(2))
        self.b = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        along = self.w @ self.u
        u = self.u + (softplus(along) - 1 - along) * self.w / self.w.square().sum()
        h = torch.tanh(z @ self.w + self.b)  # (...)
        return z + h[..., None] * u, (1 + (1 - h.square()) * (self.w @ u)).log()


class InverseAutoregressive(Flow):
    def __init__(self, in_features: int, dim: int, steps: int, width: int) -> None:
        if width < 1:
            raise UserError(f"code.width={width} are the hidden units of a step: choose at least 1")
        self.width = width
        super().__init__(in_features, dim, steps, context=dim)

    def step(self) -> Step:
        return AutoregressiveStep(self.dim, self.width)


class AutoregressiveStep(Step):
    entering: Tensor  # (width, D), where a hidden unit sees a unit of z
    leaving: Tensor  # (2 D, width), where s_i or m_i sees a hidden unit

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.first, self.context, self.last = nn.Linear(dim, width), nn.Linear(dim, width), nn.Linear(width, 2 * dim)
        seen = torch.arange(width) % max(dim - 1, 1)  # a hidden unit sees units 0 .. seen
        self.register_buffer("entering", (torch.arange(dim) <= seen[:, None]).float(), persistent=False)
        self.register_buffer("leaving", (torch.arange(dim).repeat(2)[:, None] > seen).float(), persistent=False)

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(linear(z, self.first.weight * self.entering, self.first.bias) + self.context(context))
        m, s = linear(h, self.last.weight * self.leaving, self.last.bias).chunk(2, -1)
        log_s = logsigmoid(s + 1)  # starts near to 1, so that a step starts near to the identity
        share = log_s.exp()
        return (share * z + (1 - share) * m).flip(-1), log_s.sum(-1)
