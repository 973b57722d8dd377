"""Importance weighted autoencoder. Burda, Grosse and Salakhutdinov (2016), Importance weighted autoencoders, eq. 8.

    J(x) = -L_k(x),    L_k = E log 1/k sum_i w_i,    w_i = p(x | z_i) p(z_i) / q(z_i | x),    z_1 .. z_k ~ q(z | x)

L_1 is the evidence lower bound, and L_k <= L_k+1 <= log p(x). J is shown as two terms: `recon`, the mean over i of
-log p(x | z_i), and `importance`, the rest, which for k = 1 is the divergence of q from the prior at the sample.
A code of another beta weighs p(z) / q(z | x) by that power, so that k = 1 is the beta-VAE; only beta = 1 is a bound.
"""

from math import log

import torch
from torch import Tensor

from aeexp.codes.gaussian import Gaussian, divergences, statistics
from aeexp.errors import UserError
from aeexp.models.base import Components, Factored
from aeexp.types import Batch, Loss


class IWAE(Factored):
    code: Gaussian

    def __init__(self, components: Components, k: int) -> None:
        super().__init__(components)
        if not isinstance(self.code, Gaussian):
            raise UserError(
                f"model=iwae weighs samples of code=gaussian, but the code is {type(self.code).__name__}: "
                "choose code=gaussian, or model=vae with this code"
            )
        if k < 1:
            raise UserError(f"model.k is a number of samples, but got {k}: choose at least 1")
        self.k = k

    def loss(self, batch: Batch) -> Loss:
        h, switches = self.encoder.with_switches(self.corruption(batch.x))
        mu, log_var = self.code.posterior(h)  # (B, D)
        eps = torch.randn(self.k, *mu.shape, dtype=mu.dtype, device=mu.device)  # (k, B, D)
        z = mu + (0.5 * log_var).exp() * eps
        theta = self.decoder(z.flatten(0, 1), *(self._times(switch) for switch in switches))
        nll = self.likelihood.nll(theta, self._times(batch.x)).unflatten(0, (self.k, -1))  # (k, B)
        log_ratio = 0.5 * (eps.square() - z.square() + log_var).flatten(2).sum(2)  # log p(z) / q(z | x), (k, B)
        bound = (self.code.beta * log_ratio - nll).logsumexp(0) - log(self.k)  # (B,)
        recon = nll.mean(0)
        return Loss({"recon": recon, "importance": -bound - recon}, statistics(mu, divergences(mu, log_var)))

    def _times(self, each: Tensor) -> Tensor:
        """(B, ...) -> (k B, ...)"""
        return each.repeat(self.k, *(1 for _ in each.shape[1:]))
