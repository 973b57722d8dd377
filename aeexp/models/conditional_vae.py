"""Conditional variational autoencoder. Sohn, Lee and Yan (2015), Learning structured output representation.

    log p(x | y) >= E_q(z | x, y) log p(x | z, y) - KL(q(z | x, y) || p(z)),    p(z) = N(0, I)

in their words it is x that conditions and y that is predicted, and their prior p(z | x) depends on the condition.
y joins x at the encoder's input as one more channel, W onehot(y) with W learned, so that all layers of any network
see it, and z at the decoder's as onehot(y). An unlabelled example has the zero vector. So that this vector means
something where all training examples are labelled, `hidden` of the labels, drawn anew at every step, are not shown
(Ho and Salimans 2022, Classifier-free diffusion guidance). encode, decode and reconstruct without y read it:
measured without labels, a model has to say all of x in z.
"""

from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from aeexp.errors import UserError
from aeexp.models.base import Components, Factored
from aeexp.networks.base import Encoder, Network
from aeexp.types import Batch, Loss


class Conditional(Factored):
    """Encoder and decoder read the label."""

    reads_labels = True

    def __init__(self, components: Components, classes: int | None) -> None:
        if not classes or classes < 2:
            raise UserError(
                f"a model that reads labels needs labelled data, but data.classes={classes}: choose data with labels, "
                "give data.classes where its files tell them, or choose model=vae"
            )
        super().__init__(replace(components, network=LabelConditioned(components.network, classes)))
        self.classes = classes
        self.channel = nn.Linear(classes, prod(_channel(components.shape)), bias=False)
        self.channel.apply(self.initialization)

    def features(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        channel = self.channel(self._one_hot(y, x)).view(-1, *_channel(x.shape[1:]))
        return super().features(torch.cat([x, channel], dim=_axis(x.shape[1:]) + 1), y)

    def condition(self, z: Tensor, y: Tensor | None) -> Tensor:
        """(B, *positions, D), labels (B,) -> (B, *positions, D + classes)"""
        label = self._one_hot(y, z).view(-1, *(1 for _ in z.shape[1:-1]), self.classes)
        return torch.cat([z, label.expand(*z.shape[:-1], -1)], dim=-1)

    def _one_hot(self, y: Tensor | None, like: Tensor) -> Tensor:
        """Labels (B,), -1 where there is none -> (B, classes)"""
        if y is None:
            return like.new_zeros(like.shape[0], self.classes)
        return (one_hot(y.clamp_min(0), self.classes) * (y >= 0)[:, None]).to(like)


class ConditionalVAE(Conditional):
    def __init__(self, components: Components, classes: int | None, hidden: float) -> None:
        if not 0 <= hidden <= 1:
            raise UserError(f"model.hidden={hidden} is a fraction of the labels: choose one from 0 to 1")
        super().__init__(components, classes)
        self.hidden = hidden

    def loss(self, batch: Batch) -> Loss:
        y = batch.y.where(torch.rand(len(batch.y), device=batch.y.device) >= self.hidden * self.training, -1)
        recon, code = self.reconstruction_nll(batch.x, y)
        return Loss({"recon": recon, **code.terms}, code.stats)


class LabelConditioned(Network):
    """A network whose encoder reads a channel of y beside x, and whose decoder reads y beside z."""

    def __init__(self, network: Network, classes: int) -> None:
        self.network, self.classes = network, classes

    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        axis, channel = _axis(shape), _channel(shape)
        return self.network.encoder((*shape[:axis], shape[axis] + channel[axis], *shape[axis + 1 :]))

    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        return self.network.decoder(in_features + self.classes, shape)


def _axis(shape: tuple[int, ...]) -> int:
    """Of the channels of an image (C, H, W), the features of a series (T, F), or the numbers (N,)."""
    return 1 if len(shape) == 2 else 0


def _channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one more channel, (1, H, W) or (T, 1); beside (N,), as many numbers again."""
    axis = _axis(shape)
    return shape if len(shape) == 1 else (*shape[:axis], 1, *shape[axis + 1 :])
