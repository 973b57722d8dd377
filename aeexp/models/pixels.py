"""The raw pixels as a code, a baseline: f(x) = x, as wide as the image, whatever the bottleneck says."""

from collections.abc import Iterable

from torch import Tensor

from aeexp.models.base import Baseline, Components
from aeexp.types import Batch, Code


class Pixels(Baseline):
    def __init__(self, components: Components) -> None:
        super().__init__()
        self.shape = components.shape

    def initialize(self, batches: Iterable[Batch]) -> None:
        """There is nothing to fit."""

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        z = x.flatten(1)
        return Code(z, z)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return z.unflatten(1, self.shape)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x
