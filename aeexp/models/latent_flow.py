"""An autoencoder and a rectified flow of its codes, so that it generates in two stages.

    du / dt = v(u, t),    u_0 ~ N(0, I),    u_1 the codes, each unit scaled to a mean of 0 and a variance of 1
    J = -log p(x | z) + what the code costs + E ||v(u_t, t) - (u_1 - u_0)||^2,    u_t = (1 - t) u_0 + t u_1

Liu, Gong and Liu (2023), Flow straight and fast, eq. 1, as the second stage that Rombach et al. (2022), High-resolution
image synthesis with latent diffusion models, section 3.2, train on the codes of an autoencoder: it matches the
velocities of straight lines from noise to codes at times t ~ U(0, 1), and its minimum is the velocity field that
carries N(0, I) to the distribution of codes. To generate, draw u_0 and follow v in `steps` steps of Heun's method. The
density of a code is that of the u_0 to which v leads back, less the integral of the divergence of v on the way (Chen et
al. 2018, Neural ordinary differential equations, eq. 8), whose trace is estimated without bias by one product with
random signs (Grathwohl et al. 2019, FFJORD, eq. 7). It costs as many steps as a sample, so that no likelihood of x is
averaged over it. Stages as in aeexp/models/vq_prior.py.
"""

from math import log, pi, prod
from typing import cast

import torch
from torch import Tensor

from aeexp.codes.base import Posterior
from aeexp.errors import NotApplicable, UserError
from aeexp.models.base import Components
from aeexp.models.vq_prior import SecondStage
from aeexp.networks.moments import Moments
from aeexp.networks.velocity import Velocity
from aeexp.priors import Prior
from aeexp.types import Batch


class LatentFlow(SecondStage):
    def __init__(self, components: Components, width: int, depth: int, steps: int) -> None:
        super().__init__(components)
        if self.code.codebook_size is not None:
            raise UserError(
                f"model=latent_flow follows velocities of real codes, but those of {type(self.code).__name__} are "
                "symbols: choose model=vq_prior, or code=gaussian"
            )
        self.prior = RectifiedFlow((*self.encoder.positions, components.dim), width, depth, steps)
        self.prior.apply(components.initialization)

    def posterior(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        raise NotApplicable("the density of a rectified flow takes many steps for each sample: choose model=vae")

    def second(self, batch: Batch) -> dict[str, Tensor]:
        return {"prior": cast(RectifiedFlow, self.prior).mismatch(self.constant(batch.x))}


class RectifiedFlow(Prior):
    def __init__(self, shape: tuple[int, ...], width: int, depth: int, steps: int) -> None:
        super().__init__()
        if steps < 1:
            raise UserError(f"model.steps={steps} lead from noise to a code: choose at least 1")
        self.shape, self.steps = shape, steps
        self.velocity, self.moments = Velocity(prod(shape), width, depth), Moments(shape[-1])

    def mismatch(self, z: Tensor) -> Tensor:
        """||v(u_t, t) - (u_1 - u_0)||^2 at one t and one u_0 of each code: (B, *positions, D) -> (B,)"""
        if self.training:
            units = z.flatten(0, -2)
            self.moments(units, units.new_ones(units.shape[0], 1))
        mean, deviation = self.moments.running
        u_1 = ((z - mean) / deviation).flatten(1)
        u_0, t = torch.randn_like(u_1), torch.rand(u_1.shape[0], device=z.device)
        u_t = torch.lerp(u_0, u_1, t[:, None])
        return (self.velocity(u_t, t) - (u_1 - u_0)).square().sum(1)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        mean, deviation = self.moments.running
        u, h = torch.randn(n, prod(self.shape), device=mean.device), 1 / self.steps
        for step in range(self.steps):
            now, then = (torch.full((n,), s * h, device=u.device) for s in (step, step + 1))
            v = self.velocity(u, now)
            u = u + h / 2 * (v + self.velocity(u + h * v, then))
        return u.view(n, *self.shape) * deviation + mean

    @torch.no_grad()
    def log_prob(self, z: Tensor) -> Tensor:
        mean, deviation = self.moments.running
        u, h = ((z - mean) / deviation).flatten(1), 1 / self.steps
        volume = -deviation.log().sum() * prod(self.shape[:-1])
        for step in reversed(range(self.steps)):
            then, now = (torch.full((len(u),), s * h, device=u.device) for s in (step, step + 1))
            v, divergence = self.with_divergence(u, now)
            before, divergence_before = self.with_divergence(u - h * v, then)
            u = u - h / 2 * (v + before)
            volume = volume - h / 2 * (divergence + divergence_before)
        return volume - 0.5 * (u.square() + log(2 * pi)).sum(1)

    def with_divergence(self, u: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """v(u, t), and an unbiased estimate of the trace of its Jacobian: (B, m) and (B,)"""
        signs = torch.randint_like(u, 2) * 2 - 1
        with torch.enable_grad():
            u = u.detach().requires_grad_()
            v = self.velocity(u, t)
            (pulled,) = torch.autograd.grad(v, u, signs)
        return v.detach(), (pulled * signs).sum(1)
