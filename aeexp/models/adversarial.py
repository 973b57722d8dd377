"""Adversarial autoencoder. Makhzani, Shlens, Jaitly, Goodfellow and Frey (2015), Adversarial autoencoders, section 2.

    J = -log p(x | z) + lambda softplus(-d[z]) + softplus(-D(z')) + softplus(D(sg[z])),    z = f(x),  z' ~ N(0, I)

D, the logit of "from the prior", plays against f (Goodfellow et al. 2014, eq. 1, with the generator's loss that they
train with). sg[z] is a constant for f; d is D with its weights as constants. So each player's gradient of the one J is
that of its own objective, and both move in one step. At the equilibrium the aggregated posterior is the prior, D = 0,
`generator` is lambda log 2, and `discriminator` 2 log 2.
"""

from torch import nn
from torch.nn.functional import softplus

from aeexp.errors import UserError
from aeexp.models.base import Components, Factored
from aeexp.networks.base import Network, frozen
from aeexp.priors import StandardNormal
from aeexp.types import Batch, Loss


class Adversarial(Factored):
    def __init__(self, components: Components, weight: float, discriminator: Network) -> None:
        super().__init__(components)
        if weight < 0:
            raise UserError(f"model.weight is what fooling the discriminator is worth, but got {weight}: choose >= 0")
        shape = (*self.encoder.positions, components.dim)
        features = discriminator.encoder(shape)
        self.discriminator = nn.Sequential(
            features, nn.Linear(features.out_features, 1), nn.Flatten(0)
        )  # (B, *positions, D) -> (B,)
        self.discriminator.apply(components.initialization)
        self.weight, self.prior = weight, StandardNormal(shape)

    def loss(self, batch: Batch) -> Loss:
        recon, code = self.reconstruction_nll(batch.x)
        z, drawn = code.z, self.prior.sample(len(code.z)).to(code.z)
        on_drawn, on_code = self.discriminator(drawn), self.discriminator(z.detach())  # (B,) each
        terms = {
            "recon": recon,
            **code.terms,
            "generator": self.weight * softplus(-frozen(self.discriminator, z)),
            "discriminator": softplus(-on_drawn) + softplus(on_code),
        }
        right = 0.5 * ((on_drawn > 0).to(z) + (on_code < 0).to(z))
        return Loss(terms, {**code.stats, "discriminator_accuracy": right})
