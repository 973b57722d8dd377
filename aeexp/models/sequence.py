"""Sequence autoencoder: a decoder that reads, beside the code, the steps before the one that it gives.

Dai and Le (2015), Semi-supervised sequence learning, section 2; with a variational code Bowman et al. (2016),
Generating sentences from a continuous space, section 3:

    p(x | z) = prod_t p(x_t | x_<t, z),    -log p(x | z) = sum_t -log p(x_t | theta_t),  theta_t = g(z, x~_<t)

A step is a symbol, an instant of a series, or a row of an image. In training the decoder reads the example's own steps
(teacher forcing), of which `word_dropout` are zeros (their section 3.1), so that it has to read z. What is decoded and
reconstructed reads its own steps, the likeliest symbols or the means; what is generated, symbols that are drawn.
"""

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor

from aeexp.errors import UserError
from aeexp.models.base import Components, Factored
from aeexp.networks.base import Autoregressive, start_at
from aeexp.types import Batch, Loss


class SequenceAutoencoder(Factored):
    decoder: Autoregressive

    def __init__(self, components: Components, word_dropout: float) -> None:
        if not 0 <= word_dropout < 1:
            raise UserError(f"model.word_dropout={word_dropout} is a fraction of the steps: choose one from 0, below 1")
        super().__init__(components)
        if self.encoder.positions:
            raise UserError("model=sequence_autoencoder has one code for all steps: choose network=gru or network=lstm")
        if len(components.shape) < 2:
            raise UserError(
                f"model=sequence_autoencoder reads steps (T, F), and not {components.shape}: choose such data"
            )
        self.word_dropout = word_dropout
        self.decoder = components.network.autoregressive(components.dim, components.shape)
        self.decoder.apply(self.initialization)

    def start_at_mean(self, mean: Tensor) -> None:
        mean = mean.to(next(self.parameters()))[None]
        start_at(self.decoder, (self.encode(mean).mean, mean), mean[0], self.likelihood.parameter)

    def loss(self, batch: Batch) -> Loss:
        code = self.encode(self.corruption(batch.x))
        theta = self.decoder(code.z, self._dropped_out(batch.x))
        return Loss({"recon": self.likelihood.nll(theta, batch.x), **code.terms}, code.stats)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.likelihood.mean(self._run(z, self.likelihood.mode)[0])

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.likelihood.cut(self._run(z, self.likelihood.generate)[1])

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decode(self.encode(x).mean)

    def log_likelihood(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        return -self.likelihood.nll(self.decoder(z, x), x) - self.likelihood.left_out(prod(x.shape[1:]))

    def _run(self, z: Tensor, choose: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """theta and x, each step of which is chosen by its mean"""
        return self.decoder.run(z, lambda theta: choose(self.likelihood.mean(theta)))

    def _dropped_out(self, x: Tensor) -> Tensor:
        """x (B, *shape), in training with zeros for `word_dropout` of its steps: (T, F), or the rows of an image"""
        if not self.training or not self.word_dropout:
            return x
        steps = torch.rand(x.shape[0], *(1 for _ in x.shape[1:-2]), x.shape[-2], 1, device=x.device)
        return x * (steps >= self.word_dropout)
