"""The mean example, a baseline: g(f(x)) = m for every x. Its code, 0, tells nothing of x.

Its squared error is the variance of the data; a model that does not get below it has learned nothing of an example.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from aeexp.models.base import Baseline, Components, mean_example
from aeexp.types import Batch, Code


class Mean(Baseline):
    m: Tensor  # one example

    def __init__(self, components: Components) -> None:
        super().__init__()
        self.dim = components.dim
        self.register_buffer("m", torch.zeros(components.shape))

    def initialize(self, batches: Iterable[Batch]) -> None:
        self.m.copy_(mean_example(batches))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        z = x.new_zeros(x.shape[0], self.dim)
        return Code(z, z)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.m.expand(z.shape[0], *self.m.shape)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decode(x)
