"""M1+M2. Kingma, Rezende, Mohamed and Welling (2014), Semi-supervised learning with deep generative models.

    p(x, y, z_1, z_2) = p(y) p(z_2) p(z_1 | y, z_2) p(x | z_1)

    stage 1, M1    -log p(x | z_1) + KL(q(z_1 | x) || N(0, I)),  a VAE
    stage 2, M2    its objective (aeexp/models/m2.py) of z_1 ~ q(z_1 | x), a constant, in place of x

p(z_1 | y, z_2) is a Gaussian of one variance, which is learned. Both stages have the same network and the same width of
code; the code is z_2. In eval mode, and where `stage` is 0, the objective is the sum of both.
"""

from dataclasses import replace

import torch
from torch import Tensor

from aeexp.codes.base import Posterior
from aeexp.corruptions import Uncorrupted
from aeexp.errors import NotApplicable
from aeexp.likelihoods import Gaussian
from aeexp.models.base import NO_DENSITY, Components
from aeexp.models.m2 import M2
from aeexp.models.vq_prior import SecondStage
from aeexp.types import Batch, Code


class M1M2(SecondStage):
    """What it is by itself is M1."""

    stages = ("m1", "m2")
    reads_labels = True

    def __init__(self, components: Components, classes: int | None, alpha: float) -> None:
        super().__init__(components)
        shape = (components.dim,)
        self.m2 = M2(replace(components, shape=shape, likelihood=Gaussian(), corruption=Uncorrupted()), classes, alpha)

    def second(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            z_1 = super().encode(self.corruption(batch.x)).z
        return {f"m2_{name}": term for name, term in self.m2.loss(Batch(z_1, batch.y)).terms.items()}

    def class_probabilities(self, x: Tensor) -> Tensor:
        return self.m2.class_probabilities(super().encode(x).mean)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        return self.m2.encode(super().encode(x).mean, y)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return super().decode(self.m2.decode(z, y))

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return super().decode(self.m2.reconstruct(super().encode(x).mean, y))

    def posterior(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        raise NotApplicable(NO_DENSITY)

    def log_likelihood(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        raise NotApplicable(NO_DENSITY)
