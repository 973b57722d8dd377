"""The mean example, a baseline: g(f(x)) = m for every x. Its code, 0, tells nothing of x.

Its squared error is the variance of the data; a model that does not get below it has learned nothing of an example.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from aeexp.corruptions import Uncorrupted
from aeexp.models.base import Autoencoder, Components, mean_example
from aeexp.priors import NoPrior
from aeexp.types import Batch, Code, Loss


class Mean(Autoencoder):
    m: Tensor  # one example

    def __init__(self, components: Components) -> None:
        super().__init__()
        self.prior, self.corruption, self.dim = NoPrior(), Uncorrupted(), components.dim
        self.register_buffer("m", torch.zeros(components.shape))

    def initialize(self, batches: Iterable[Batch]) -> None:
        self.m.copy_(mean_example(batches))

    def loss(self, batch: Batch) -> Loss:
        return Loss({"recon": (batch.x - self.m).square().flatten(1).sum(1)})

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        z = x.new_zeros(len(x), self.dim)
        return Code(z, z)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.m.expand(len(z), *self.m.shape)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decode(x)
