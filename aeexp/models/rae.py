"""Regularised autoencoder. Ghosh, Sajjadi, Vergari, Black and Schoelkopf (2020), From variational to deterministic
autoencoders, eq. 7 to 10, RAE-L2.

    J(x) = -log p(x | z) + beta / 2 ||z||^2 + weight ||theta||^2,    z = f(x~),  theta the weights of the decoder

A VAE whose noise is replaced by what it does to the decoder: the code stays small, and the decoder smooth. It has no
prior: a density is fitted to the codes after the training, as their section 4 does.
"""

import torch

from aeexp.errors import UserError
from aeexp.models.base import Components, Factored
from aeexp.types import Batch, Loss


class RAE(Factored):
    def __init__(self, components: Components, beta: float, weight: float) -> None:
        super().__init__(components)
        if min(beta, weight) < 0:
            raise UserError(f"model.beta={beta} and model.weight={weight} are what sizes cost: choose at least 0")
        self.beta, self.weight = beta, weight

    def loss(self, batch: Batch) -> Loss:
        recon, code = self.reconstruction_nll(batch.x)
        size = code.z.square().flatten(1).sum(1)
        squares = torch.stack([parameter.square().sum() for parameter in self.decoder.parameters()])
        costs = {"size": 0.5 * self.beta * size, "decoder": self.weight * squares.sum()}
        return Loss({"recon": recon, **code.terms, **costs}, code.stats)
