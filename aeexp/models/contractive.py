"""Contractive autoencoder. Rifai, Vincent, Muller, Glorot and Bengio (2011), eq. 2 and 3.

    J(x) = L(x, g(f(x))) + lambda ||J_f(x)||_F^2,    J_f(x)_ji = d f_j(x) / d x_i

with f at x~ in both, where a corruption is chosen. Where f is one layer, f(x) = s(W x + b), the norm is
sum_j s'(a_j)^2 ||W_j||^2  with a = W x + b (their section 3), which costs little more than f itself; elsewhere it
costs a backward pass for each unit of the code. Both are exact.

Hutchinson (1990), A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines, costs
a backward pass for each of `probes` draws v:

    ||J||_F^2 = tr(J J^T) = E ||J^T v||^2,    v_j = -1 or 1 by a fair coin
"""

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import vjp, vmap

from aeexp.codes.identity import Identity
from aeexp.codes.vq import VQ
from aeexp.errors import UserError
from aeexp.models.base import Components, Factored
from aeexp.networks.vit import ViT
from aeexp.types import Batch, Code, Loss

# activations that act on each unit alone
UNITWISE = (nn.Identity, nn.Sigmoid, nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Softplus)


class JacobianPenalized(Factored):
    def __init__(self, components: Components, weight: float) -> None:
        super().__init__(components)
        if isinstance(self.code, VQ):
            raise UserError(
                "model=contractive penalises the derivative of the code, but code=vq jumps from entry to entry and has "
                "none: choose code=sigmoid, or model=vq_vae"
            )
        if isinstance(components.network, ViT):
            raise UserError(
                "model=contractive differentiates the encoder twice, but the attention of network=vit has no second "
                "derivative: choose network=mlp or network=conv"
            )
        self.weight = weight

    def loss(self, batch: Batch) -> Loss:
        code, switches, norm = self.code_and_norm(self.corruption(batch.x))
        recon = self.likelihood.nll(self.decoder(code.z, *switches), batch.x)
        terms = {"recon": recon, **code.terms, "contraction": self.weight * norm}
        return Loss(terms, {**code.stats, "jacobian": norm})

    @abstractmethod
    def code_and_norm(self, x: Tensor) -> tuple[Code, list[Tensor], Tensor]:
        """(B, *shape) -> the code, what the encoder noted for the decoder, and ||J_f(x)||_F^2, (B,)"""

    def squared_vjp(self, x: Tensor, directions: Callable[[Tensor], Tensor]) -> Tensor:
        """||J_f(x)^T v||^2 of n directions v = directions(f(x)), (n, B, D): (B, *shape) -> (n, B)"""
        mean, pull_back = vjp(lambda x: self.encode(x).mean.flatten(1), x)[:2]
        (rows,) = vmap(pull_back)(directions(mean.detach()))  # (n, B, *shape)
        return rows.square().flatten(2).sum(2)


class Contractive(JacobianPenalized):
    def __init__(self, components: Components, weight: float) -> None:
        super().__init__(components, weight)
        hidden = [layer for layer in self.encoder if not isinstance(layer, nn.Flatten)]
        self.one_layer = not hidden and isinstance(self.code, Identity) and isinstance(self.code.project[-1], UNITWISE)

    def code_and_norm(self, x: Tensor) -> tuple[Code, list[Tensor], Tensor]:
        if isinstance(self.code, Identity) and self.one_layer:
            layer, s = self.code.project
            z, pull_back = vjp(s, layer(x.flatten(1)))[:2]  # (B, D)
            (slope,) = pull_back(torch.ones_like(z))  # (B, D): s acts on each unit alone
            return self.code.of(z), [], slope.square() @ layer.get_parameter("weight").square().sum(1)
        return *self.encode_switches(x), self.squared_vjp(x, _units).sum(0)


class Hutchinson(JacobianPenalized):
    """Estimates the norm, without bias, by `probes` random directions an example, fresh at every step."""

    def __init__(self, components: Components, weight: float, probes: int) -> None:
        super().__init__(components, weight)
        if probes < 1:
            raise UserError(f"model.probes is a number of random directions, but got {probes}: choose at least 1")
        self.probes = probes

    def code_and_norm(self, x: Tensor) -> tuple[Code, list[Tensor], Tensor]:
        return *self.encode_switches(x), self.squared_vjp(x, self._coins).mean(0)

    def _coins(self, mean: Tensor) -> Tensor:
        return 2 * torch.randint_like(mean.expand(self.probes, *mean.shape), 2) - 1  # (n, B, D)


def _units(mean: Tensor) -> Tensor:
    units = torch.eye(mean.shape[1], dtype=mean.dtype, device=mean.device)
    return units[:, None].expand(-1, len(mean), -1)  # (D, B, D)
