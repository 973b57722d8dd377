"""Conditional variational autoencoder. Sohn, Lee and Yan (2015), Learning structured output representation.

    log p(x | y) >= E_q(z | x, y) log p(x | z, y) - KL(q(z | x, y) || p(z)),    p(z) = N(0, I)

in their words y conditions and x is predicted, and their p(z | x) is a prior here that no y moves. y joins the
features of x, and z, as a one-hot vector; an unlabelled example has the zero vector. So that this vector means
something where all training examples are labelled, `hidden` of the labels, drawn anew at every step, are not shown
(Ho and Salimans 2022, Classifier-free diffusion guidance). encode, decode and reconstruct without y read it:
measured without labels, a model has to say all of x in z.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from aeexp.codes.base import Bottleneck
from aeexp.errors import UserError
from aeexp.models.base import Components, Factored
from aeexp.networks.base import Encoder, Network
from aeexp.types import Batch, Loss


class ConditionalVAE(Factored):
    reads_labels = True

    def __init__(self, components: Components, classes: int | None, hidden: float) -> None:
        if not classes or classes < 2:
            raise UserError(
                f"model=conditional_vae needs labelled data, but data.classes={classes}: choose data with labels, give "
                "data.classes where its files tell them, or choose model=vae"
            )
        if not 0 <= hidden <= 1:
            raise UserError(f"model.hidden={hidden} is a fraction of the labels: choose one from 0 to 1")
        code = partial(_label_conditioned, components.code, classes)
        super().__init__(replace(components, network=LabelConditioned(components.network, classes), code=code))
        self.classes, self.hidden = classes, hidden

    def loss(self, batch: Batch) -> Loss:
        y = batch.y.where(torch.rand(len(batch.y), device=batch.y.device) >= self.hidden * self.training, -1)
        recon, code = self.reconstruction_nll(batch.x, y)
        return Loss({"recon": recon, **code.terms}, code.stats)

    def condition(self, values: Tensor, y: Tensor | None) -> Tensor:
        """(B, F), labels (B,) -> (B, F + classes)"""
        if y is None:
            y = torch.full(values.shape[:1], -1, device=values.device)
        known = one_hot(y.clamp_min(0), self.classes) * (y >= 0)[:, None]  # (B, classes)
        return torch.cat([values, known.to(values)], dim=1)


class LabelConditioned(Network):
    """A network whose decoder reads y beside z."""

    def __init__(self, network: Network, classes: int) -> None:
        self.network, self.classes = network, classes

    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        return self.network.encoder(shape)

    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        return self.network.decoder(in_features + self.classes, shape)


def _label_conditioned(code: Callable[..., Bottleneck], classes: int, in_features: int, dim: int) -> Bottleneck:
    return code(in_features=in_features + classes, dim=dim)
