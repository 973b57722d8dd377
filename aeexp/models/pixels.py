"""The raw pixels as a code, a baseline: f(x) = x, as wide as the image, whatever the bottleneck says."""

from collections.abc import Iterable

from torch import Tensor

from aeexp.corruptions import Uncorrupted
from aeexp.models.base import Autoencoder, Components
from aeexp.priors import NoPrior
from aeexp.types import Batch, Code, Loss


class Pixels(Autoencoder):
    def __init__(self, components: Components) -> None:
        super().__init__()
        self.prior, self.corruption = NoPrior(), Uncorrupted()
        self.shape = components.shape

    def initialize(self, batches: Iterable[Batch]) -> None:
        """There is nothing to fit."""

    def loss(self, batch: Batch) -> Loss:
        return Loss({"recon": (batch.x - self.reconstruct(batch.x)).square().flatten(1).sum(1)})

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        z = x.flatten(1)
        return Code(z, z)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return z.unflatten(1, self.shape)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x
