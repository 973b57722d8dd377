"""Diffusion autoencoder. Preechakul et al. (2022), Diffusion autoencoders, eq. 6 and 8.

    z = f(x~),    J(x) = E_{t, eps} ||eps - eps_theta(x_t, t, z)||^2 + Omega(z)
    x_t = sqrt(abar_t) x + sqrt(1 - abar_t) eps,    abar_t = prod_{s <= t} (1 - beta_s)

(Ho et al. 2020, eq. 4 and 14, with their beta from 1e-4 to 0.02 in 1,000 steps), and the image of a code by DDIM
(Song et al. 2021, eq. 12, sigma = 0), from t to t' < t:

    x_t' = sqrt(abar_t') x^ + sqrt(1 - abar_t') eps_theta,    x^ = (x_t - sqrt(1 - abar_t) eps_theta) / sqrt(abar_t)

It starts from one noise image x_T for all codes, which the run keeps, so that all that two images differ by is in
their codes. `recon` is the simple objective, no bound on -log p(x). The images are scaled to [-1, 1] in here.
"""

from collections.abc import Iterable
from itertools import pairwise
from math import prod

import torch
from torch import Tensor

from aeexp.errors import UserError
from aeexp.models.base import Autoencoder, Components
from aeexp.networks.unet import UNet
from aeexp.networks.velocity import time_features
from aeexp.priors import NoPrior
from aeexp.types import Batch, Code, Loss

FEATURES = 32  # of the time


class Diffusion(Autoencoder):
    bounded = True
    abar: Tensor  # (T + 1,); abar_0 = 1
    x_T: Tensor  # (1, *shape)

    def __init__(
        self, components: Components, widths: list[int], beta: list[float], steps: int, sampled: int, scale: float
    ) -> None:
        super().__init__()
        if not 1 <= sampled <= steps:
            raise UserError(f"model.sampled={sampled} are some of model.steps={steps}: choose from 1 to {steps}")
        self.corruption, self.sampled, self.scale = components.corruption, sampled, scale
        self.prior = NoPrior()
        self.encoder = components.network.encoder(components.shape)
        self.code = components.code(in_features=self.encoder.out_features, dim=components.dim)
        code_size = prod(self.encoder.positions) * components.dim
        self.eps_theta = UNet(components.shape, widths, condition=code_size + FEATURES)
        self.apply(components.initialization)
        first, last = beta
        abar = torch.cat([torch.ones(1), (1 - torch.linspace(first, last, steps)).cumprod(0)])
        self.register_buffer("abar", abar)
        self.register_buffer("x_T", torch.randn(1, *components.shape))

    def initialize(self, batches: Iterable[Batch]) -> None:
        """Starts from random weights, whatever the data."""

    def loss(self, batch: Batch) -> Loss:
        code = self.encode(self.corruption(batch.x))
        x, eps = 2 * batch.x / self.scale - 1, torch.randn_like(batch.x)
        t = torch.randint(1, len(self.abar), (len(x),), device=x.device)
        abar = self._abar(t)
        x_t = abar.sqrt() * x + (1 - abar).sqrt() * eps
        error = (eps - self.predicted(x_t, t, code.z)).square().flatten(1).sum(1)
        return Loss({"recon": error, **code.terms}, code.stats)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        return self.code(self.encoder(x))

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        times = torch.linspace(len(self.abar) - 1, 0, self.sampled + 1).round().long().to(z.device)
        x_t = self.x_T.expand(z.shape[0], *self.x_T.shape[1:])
        for now, then in pairwise(times):
            t = now.expand(z.shape[0])
            eps, abar, before = self.predicted(x_t, t, z), self._abar(t), self.abar[then]
            x = ((x_t - (1 - abar).sqrt() * eps) / abar.sqrt()).clamp(-1, 1)
            x_t = before.sqrt() * x + (1 - before).sqrt() * eps
        return (x_t + 1) / 2 * self.scale

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decode(self.encode(x).mean)

    def predicted(self, x_t: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """eps_theta(x_t, t, z): (B, *shape), (B,), (B, *positions, D) -> (B, *shape)"""
        return self.eps_theta(x_t, torch.cat([z.flatten(1), time_features(t, FEATURES)], dim=1))

    def _abar(self, t: Tensor) -> Tensor:
        return self.abar[t].view(-1, 1, 1, 1)
