"""Principal components, the linear baseline: of all linear codes of its width, the least squared error.

    f(x) = W (x - m),    g(z) = m + W^T z,    rows of W: the first D eigenvectors of the covariance of x

Hotelling (1933); Bourlard and Kamp (1988).
"""

from collections.abc import Iterable
from math import prod

import torch
from sklearn.decomposition import PCA as SklearnPCA
from torch import Tensor

from aeexp.errors import UserError
from aeexp.models.base import Baseline, Components
from aeexp.types import Batch, Code


class PCA(Baseline):
    m: Tensor  # (P,)
    W: Tensor  # (D, P)

    def __init__(self, components: Components) -> None:
        super().__init__()
        self.shape, size = components.shape, prod(components.shape)
        if components.dim > size:
            raise UserError(
                f"model=pca has at most {size} components on data of shape {tuple(components.shape)}, "
                f"but bottleneck.dim={components.dim}: choose a smaller bottleneck"
            )
        self.register_buffer("m", torch.zeros(size))
        self.register_buffer("W", torch.zeros(components.dim, size))

    def initialize(self, batches: Iterable[Batch]) -> None:
        x = torch.cat([batch.x for batch in batches]).flatten(1)
        if len(x) < len(self.W):
            raise UserError(
                f"model=pca has at most as many components as examples, {len(x)}, but bottleneck.dim={len(self.W)}"
            )
        fitted = SklearnPCA(len(self.W), svd_solver="covariance_eigh").fit(x.double().numpy())
        self.m.copy_(torch.as_tensor(fitted.mean_))
        self.W.copy_(torch.as_tensor(fitted.components_))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        z = (x.flatten(1) - self.m) @ self.W.T
        return Code(z, z)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return (self.m + z @ self.W).unflatten(1, self.shape)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decode(self.encode(x).mean)
