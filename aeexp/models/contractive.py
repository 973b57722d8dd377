"""Contractive autoencoder. Rifai, Vincent, Muller, Glorot and Bengio (2011), eq. 2 and 3.

    J(x) = L(x, g(f(x))) + lambda ||J_f(x)||_F^2,    J_f(x)_ji = d f_j(x) / d x_i

Where f is one layer, f(x) = s(W x + b), this is  sum_j s'(a_j)^2 ||W_j||^2  with a = W x + b (their section 3), which
costs little more than f itself; elsewhere it costs a backward pass for each unit of the code. Both are exact.
"""

import torch
from torch import Tensor, nn
from torch.func import vjp, vmap

from aeexp.codes.identity import Identity
from aeexp.models.base import Factored, Parts
from aeexp.types import Batch, Loss

# activations that act on each unit alone
UNITWISE = (nn.Identity, nn.Sigmoid, nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Softplus)


class Contractive(Factored):
    def __init__(self, parts: Parts, weight: float) -> None:
        super().__init__(parts)
        self.weight = weight
        hidden = [layer for layer in self.encoder if not isinstance(layer, nn.Flatten)]
        one_layer = not hidden and isinstance(self.code, Identity) and isinstance(self.code.project[-1], UNITWISE)
        self.jacobian_norm = self.norm_of_one_layer if one_layer else self.norm_of_any

    def loss(self, batch: Batch) -> Loss:
        recon, code = self.recon(batch.x)
        norm = self.jacobian_norm(batch.x)
        terms = {"recon": recon, **code.terms, "contraction": self.weight * norm}
        return Loss(terms, {**code.stats, "jacobian": norm})

    def norm_of_one_layer(self, x: Tensor) -> Tensor:
        """||J_f(x)||_F^2: (B, *shape) -> (B,)"""
        layer, s = self.code.get_submodule("project").children()
        a = layer(x.flatten(1))  # (B, D)
        (slope,) = vjp(s, a)[1](torch.ones_like(a))  # (B, D): s acts on each unit alone
        return slope.square() @ layer.get_parameter("weight").square().sum(1)

    def norm_of_any(self, x: Tensor) -> Tensor:
        """||J_f(x)||_F^2: (B, *shape) -> (B,)"""
        mean, pull_back = vjp(self._mean, x)[:2]
        units = torch.eye(mean.shape[1], dtype=x.dtype, device=x.device)  # (D, D)
        (jacobian,) = vmap(pull_back)(units[:, None].expand(-1, len(x), -1))  # (D, B, *shape)
        return jacobian.square().flatten(2).sum((0, 2))

    def _mean(self, x: Tensor) -> Tensor:
        return self.encode(x).mean.flatten(1)
