"""Reconstruction plus what the code costs; which model it is, its components decide.

    J(x) = -log p(x | z) + Omega(z),    z = f(x~)

Undercomplete, deep and convolutional autoencoders: Omega = 0. Sparse: Omega of the L1 or KL code. Denoising: x~ is
a corruption of x (Vincent et al. 2010, eq. 5). VAE: z ~ q(z | x), Omega = KL(q || p), so that -J is the evidence
lower bound (Kingma and Welling 2014, eq. 3); beta-VAE: Omega = beta KL.
"""

from aeexp.models.base import Factored
from aeexp.types import Batch, Loss


class Regularized(Factored):
    def loss(self, batch: Batch) -> Loss:
        recon, code = self.reconstruction_nll(batch.x)
        return Loss({"recon": recon, **code.terms}, code.stats)
