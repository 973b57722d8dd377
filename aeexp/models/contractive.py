"""Contractive autoencoder. Rifai, Vincent, Muller, Glorot and Bengio (2011), eq. 2 and 3.

J(x) = L(x, g(f(x))) + lambda ||J_f(x)||_F^2,    J_f(x)_ji = d f_j(x) / d x_i
"""

import torch
from torch import Tensor
from torch.func import vjp, vmap

from aeexp.models.base import Factored, Parts
from aeexp.types import Batch, Loss


class Contractive(Factored):
    def __init__(self, parts: Parts, weight: float) -> None:
        super().__init__(parts)
        self.weight = weight

    def loss(self, batch: Batch) -> Loss:
        recon, code = self.recon(batch.x)
        norm = self.jacobian_norm(batch.x)
        return Loss(
            {"recon": recon, **code.terms, "contraction": self.weight * norm},
            {**code.stats, "jacobian": norm},
        )

    def _mean(self, x: Tensor) -> Tensor:
        return self.encode(x).mean.flatten(1)

    def jacobian_norm(self, x: Tensor) -> Tensor:
        """||J_f(x)||_F^2, exact: (B, *shape) -> (B,). One backward pass a unit of the code, all in one batch."""
        mean, pull_back = vjp(self._mean, x)[:2]
        units = torch.eye(mean.shape[1], dtype=x.dtype, device=x.device)  # (D, D)
        (jacobian,) = vmap(pull_back)(units[:, None].expand(-1, len(x), -1))  # (D, B, *shape)
        return jacobian.square().flatten(2).sum((0, 2))
