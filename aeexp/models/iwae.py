"""Importance weighted autoencoder. Burda, Grosse and Salakhutdinov (2016), Importance weighted autoencoders, eq. 7, 8.

    J(x) = -L_k(x),    w_i = p(x | z_i) p(z_i) / q(z_i | x),    z_1 .. z_k ~ q(z | x)

    IWAE              L_k = E log 1/k sum_i w_i, and L_1 <= L_k <= L_k+1 <= log p(x)
    MultisampleVAE    L_k = E 1/k sum_i log w_i = L_1, the evidence lower bound, with a k-th of its noise

J is shown as two terms: `recon`, the mean over i of -log p(x | z_i), and `importance`, the rest, which of the second,
and where k = 1, is the divergence of q from the prior at the samples.
A code of another beta weighs p(z) / q(z | x) by that power, so that k = 1 is the beta-VAE; only beta = 1 is a bound.
"""

from math import log
from typing import cast

from torch import Tensor

from aeexp.codes.base import DiagonalNormal, refuse_other_than_gaussian
from aeexp.codes.gaussian import divergences, statistics
from aeexp.errors import UserError
from aeexp.models.base import Components, Factored
from aeexp.types import Batch, Loss


class IWAE(Factored):
    def __init__(self, components: Components, k: int) -> None:
        super().__init__(components)
        refuse_other_than_gaussian(self.code, f"{type(self).__name__} weighs samples", "model=vae with this code")
        if k < 1:
            raise UserError(f"model.k is a number of samples, but got {k}: choose at least 1")
        self.k = k

    def bound(self, log_w: Tensor) -> Tensor:
        """L_k of log w, (k, B) -> (B,)"""
        return log_w.logsumexp(0) - log(self.k)

    def loss(self, batch: Batch) -> Loss:
        h, switches = self.encoder.with_switches(self.corruption(batch.x))
        q = cast(DiagonalNormal, self.code.posterior(h))  # of code=gaussian
        z, log_q = q.sample(self.k)  # (k, B, D), (k, B)
        theta = self.decoder(z.flatten(0, 1), *(self._times(switch) for switch in switches))
        nll = self.likelihood.nll(theta, self._times(batch.x)).unflatten(0, (self.k, -1))  # (k, B)
        log_ratio = self.prior.log_prob(z.flatten(0, 1)).unflatten(0, (self.k, -1)) - log_q  # log p(z) / q(z | x)
        bound = self.bound(self.code.kl_weight * log_ratio - nll)  # (B,)
        recon = nll.mean(0)
        return Loss({"recon": recon, "importance": -bound - recon}, statistics(q.mu, divergences(*q)))

    def _times(self, each: Tensor) -> Tensor:
        """(B, ...) -> (k B, ...)"""
        return each.repeat(self.k, *(1 for _ in each.shape[1:]))


class MultisampleVAE(IWAE):
    def bound(self, log_w: Tensor) -> Tensor:
        return log_w.mean(0)
