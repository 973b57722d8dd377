"""First stage of a generator, against a discriminator of patches. Esser, Rombach and Ommer (2021), Taming transformers
for high-resolution image synthesis (VQGAN), section 3.1; Rombach et al. (2022), Latent diffusion, with a Gaussian code.

    J = -log p(x | z) + Omega(z) + P(x, x^) + lambda w G(x^) + max(0, 1 - D(x)) + max(0, 1 + D(sg[x^]))
    G(x^) = -d(x^),    w = |grad_L log p(x | z)| / (|grad_L G| + delta)

D says of each patch whether it is of a training image or of a reconstruction x^ (Isola et al. 2017, PatchGAN), d is D
with its weights as constants, sg[x^] a constant for the autoencoder, so that both players move in one step; G and the
last two are means over patches. w makes the gradients of both terms by the last layer L equally large. P is
`perceptual` times the squared error of d's hidden layers, each averaged over its units and all over the layers, as
large as a squared error of x (Larsen et al. 2016, Autoencoding beyond pixels using a learned similarity metric): it
needs no network of others, and no labels.

In eval mode the game is measured and is no part of the objective, so that the best checkpoint is of what is minimised
without it.
"""

from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from aeexp.activations import elementwise
from aeexp.errors import UserError
from aeexp.models.base import Components, Factored
from aeexp.networks.base import Network, frozen, output_layer
from aeexp.types import Batch, Loss

DELTA, MOST = 1e-4, 1e4  # joins a norm, and the largest w


class FirstStage(Factored):
    def __init__(self, components: Components, weight: float, perceptual: float, discriminator: Network) -> None:
        if min(weight, perceptual) < 0:
            raise UserError(f"model.weight={weight} and model.perceptual={perceptual} are weights: choose at least 0")
        super().__init__(components)
        self.weight, self.perceptual = weight, perceptual
        self.discriminator = Patches(discriminator, components.shape)
        self.discriminator.apply(components.initialization)

    def loss(self, batch: Batch) -> Loss:
        code, switches = self.encode_with_switches(self.corruption(batch.x))
        theta = self.decoder(self.condition(code.z, None), *switches)
        recon, restored = self.likelihood.nll(theta, batch.x), self.likelihood.mean(theta)
        of_restored, hidden = frozen(self.discriminator, restored)
        _, hidden_of_x = frozen(self.discriminator, batch.x)
        on_x, on_restored = self.discriminator(batch.x)[0], self.discriminator(restored.detach())[0]  # (B, patches)
        errors = [(a - b).square().flatten(1).mean(1) for a, b in zip(hidden, hidden_of_x, strict=True)]
        generator = -of_restored.mean(1)
        game = {
            "generator": self.weight * self._balance(recon, generator) * generator,
            "discriminator": (relu(1 - on_x) + relu(1 + on_restored)).mean(1),
        }
        perceptual = self.perceptual * prod(batch.x.shape[1:]) * torch.stack(errors).mean(0)
        terms = {"recon": recon, **code.terms, "perceptual": perceptual}
        right = 0.5 * ((on_x > 0).to(recon).mean(1) + (on_restored < 0).to(recon).mean(1))
        stats = {**code.stats, "discriminator_accuracy": right}
        return Loss({**terms, **game}, stats) if self.training else Loss(terms, {**stats, **game})

    def _balance(self, recon: Tensor, generator: Tensor) -> Tensor:
        """w; 1 where no gradient is taken"""
        if not generator.requires_grad:
            return recon.new_ones(())
        last = output_layer(self.decoder)[1].get_parameter("weight")
        norms = [torch.autograd.grad(term.mean(), last, retain_graph=True)[0].norm() for term in (recon, generator)]
        return (norms[0] / (norms[1] + DELTA)).clamp(max=MOST).detach()


class Patches(nn.Module):
    """(B, *shape) -> logits (B, patches), and the hidden layers, (B, ...) each; one patch of a network without any."""

    def __init__(self, network: Network, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.trunk = network.encoder(shape)
        self.logit = nn.Linear(self.trunk.out_features, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        hidden = [x]
        for layer in self.trunk:
            hidden.append(layer(hidden[-1]))
        of_units = [h for layer, h in zip(self.trunk, hidden[1:], strict=True) if elementwise(layer)]
        return self.logit(hidden[-1]).flatten(1), of_units or hidden[-1:]
