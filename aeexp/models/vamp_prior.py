"""VAE with a VampPrior. Tomczak and Welling (2018), VAE with a VampPrior, eq. 9.

    J(x) = -log p(x | z) + beta (log q(z | x) - log p(z)),    z ~ q(z | x)
    p(z) = 1/K sum_k q(z | u_k)

The K pseudo-inputs u_k are learned with everything else: scale sigmoid(v_k), which start around the mean example. The
divergence is estimated by the one sample.
"""

from collections.abc import Callable, Iterable
from math import log
from typing import cast

import torch
from torch import Tensor, nn

from aeexp.codes.base import DiagonalNormal, refuse_other_than_gaussian
from aeexp.codes.gaussian import divergences, statistics
from aeexp.errors import UserError
from aeexp.models.base import Components, Factored, mean_example
from aeexp.priors import Prior
from aeexp.types import Batch, Loss

EDGE = 1e-2  # how near a pseudo-input starts to 0 and 1


class VampPrior(Factored):
    bounded = True

    def __init__(self, components: Components, pseudo_inputs: int, scale: float) -> None:
        super().__init__(components)
        refuse_other_than_gaussian(self.code, "model=vamp_prior mixes posteriors", "model=vae with this code")
        if pseudo_inputs < 1:
            raise UserError(f"model.pseudo_inputs={pseudo_inputs} are the components of a prior: choose at least 1")
        self.scale = scale
        self.v = nn.Parameter(torch.randn(pseudo_inputs, *components.shape))
        self.prior = MixtureOfPosteriors(self._components)

    def initialize(self, batches: Iterable[Batch]) -> None:
        mean = mean_example(batches)
        self.start_at_mean(mean)
        with torch.no_grad():
            self.v.add_((mean / self.scale).logit(EDGE).to(self.v))

    def loss(self, batch: Batch) -> Loss:
        h, switches = self.features(self.corruption(batch.x), None)
        q = cast(DiagonalNormal, self.code.posterior(h))  # of code=gaussian
        z, log_q = (each[0] for each in q.sample(1))
        recon = self.likelihood.nll(self.decoder(z, *switches), batch.x)
        kl = log_q - self.prior.log_prob(z)
        stats = {**statistics(q.mu, divergences(*q)), "kl_nats": kl}
        return Loss({"recon": recon, "kl": cast(float, self.code.kl_weight) * kl}, stats)

    def _components(self) -> DiagonalNormal:
        u = self.scale * torch.sigmoid(self.v)
        return cast(DiagonalNormal, self.code.posterior(self.features(u, None)[0]))


class MixtureOfPosteriors(Prior):
    """p(z) = 1/K sum_k q_k(z), of the K that `components` gives."""

    def __init__(self, components: Callable[[], DiagonalNormal]) -> None:
        super().__init__()
        self.components = components

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        mu, log_var = self.components()
        k = torch.randint(len(mu), (n,), device=mu.device)
        return mu[k] + (0.5 * log_var[k]).exp() * torch.randn_like(mu[k])

    def log_prob(self, z: Tensor) -> Tensor:
        q = self.components()
        log_q = q.log_prob(z[:, None]).flatten(2).sum(2)  # (B, K)
        return log_q.logsumexp(1) - log(len(q.mu))
