"""U-Net. Ronneberger, Fischer and Brox (2015), with the objective of Vincent et al. (2010), Denoising, eq. 5.

    J(x) = -log p(x | u(x~)),    x~ = corruption(x)

The corruption is the task: noise, missing blocks, colour, resolution. The skip connections carry the image past the
narrowest level, so that there is no code, and what needs one is refused.
"""

from collections.abc import Iterable
from typing import NoReturn

from torch import Tensor

from aeexp.errors import NotApplicable
from aeexp.models.base import Autoencoder, Components, mean_example
from aeexp.networks import unet
from aeexp.networks.base import start_at
from aeexp.priors import NoPrior
from aeexp.types import Batch, Code, Loss


class UNet(Autoencoder):
    def __init__(self, components: Components, widths: list[int]) -> None:
        super().__init__()
        self.corruption, self.likelihood = components.corruption, components.likelihood
        self.prior = NoPrior()
        self.u = unet.UNet(components.shape, widths, condition=0)
        self.initialization = components.initialization
        self.apply(self.initialization)

    def initialize(self, batches: Iterable[Batch]) -> None:
        """Sets the last bias so that the output is near the mean of all pixels."""
        if self.initialization.output_starts_at_mean:
            mean = mean_example(batches)
            start_at(self.u, (mean[None],), mean, self.likelihood.parameter)

    def loss(self, batch: Batch) -> Loss:
        return Loss({"recon": self.likelihood.nll(self.u(self.corruption(batch.x)), batch.x)})

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.likelihood.mean(self.u(x))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        _no_code()

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        _no_code()


def _no_code() -> NoReturn:
    raise NotApplicable(
        "model=unet has no code, because its skip connections carry the image past the narrowest level: "
        "choose model=conv, or evaluation=[reconstruction,restoration]"
    )
