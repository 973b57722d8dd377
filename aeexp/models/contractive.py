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
from torch import Tensor
from torch.func import vjp, vmap

from aeexp.activations import elementwise
from aeexp.errors import UserError
from aeexp.models.base import Components, Factored
from aeexp.types import Batch, Code, Loss


class JacobianPenalized(Factored):
    def __init__(self, components: Components, weight: float) -> None:
        super().__init__(components)
        if not self.code.differentiable:
            raise UserError(
                f"model=contractive penalises the derivative of the code, but the code {type(self.code).__name__} has "
                "none: choose code=sigmoid, or model=undercomplete"
            )
        if not components.network.twice_differentiable:
            raise UserError(
                "model=contractive differentiates the encoder twice, but the network "
                f"{type(components.network).__name__} has no second derivative: choose network=mlp or network=conv"
            )
        self.weight = weight

    def loss(self, batch: Batch) -> Loss:
        code, switches, norm = self.code_and_norm(self.corruption(batch.x))
        recon = self.likelihood.nll(self.decoder(code.z, *switches), batch.x)
        terms = {"recon": recon, **code.terms, "contraction": self.weight * norm}
        return Loss(terms, {**code.stats, "jacobian": norm})

    @abstractmethod
    def code_and_norm(self, x: Tensor) -> tuple[Code, list[Tensor], Tensor]:
        """(B, *shape) -> the code, the pooling switches, and ||J_f(x)||_F^2, (B,)"""

    def squared_vjp_norms(self, x: Tensor, directions: Callable[[Tensor], Tensor]) -> Tensor:
        """||J_f(x)^T v||^2 of n directions v = directions(f(x)), (n, B, D): (B, *shape) -> (n, B)"""
        mean, pull_back = vjp(lambda x: self.encode(x).mean.flatten(1), x)[:2]
        (rows,) = vmap(pull_back)(directions(mean.detach()))  # (n, B, *shape)
        return rows.square().flatten(2).sum(2)


class Contractive(JacobianPenalized):
    def __init__(self, components: Components, weight: float) -> None:
        super().__init__(components, weight)
        self.one_layer = self.encoder.only_flattens and elementwise(self.code.activation)

    def code_and_norm(self, x: Tensor) -> tuple[Code, list[Tensor], Tensor]:
        if self.one_layer and self.code.activation is not None:
            a = self.code.project(x.flatten(1))  # (B, D)
            z, pull_back = vjp(self.code.activation, a)[:2]
            (slope,) = pull_back(torch.ones_like(z))  # s'(a), because s acts on each unit alone
            return self.code.of(a), [], slope.square() @ self.code.project.weight.square().sum(1)
        return *self.encode_with_switches(x), self.squared_vjp_norms(x, _units).sum(0)


class Hutchinson(JacobianPenalized):
    """Estimates the norm, without bias, by `probes` random directions an example, fresh at every step."""

    def __init__(self, components: Components, weight: float, probes: int) -> None:
        super().__init__(components, weight)
        if probes < 1:
            raise UserError(f"model.probes is a number of random directions, but got {probes}: choose at least 1")
        self.probes = probes

    def code_and_norm(self, x: Tensor) -> tuple[Code, list[Tensor], Tensor]:
        return *self.encode_with_switches(x), self.squared_vjp_norms(x, self._coins).mean(0)

    def _coins(self, mean: Tensor) -> Tensor:
        return 2 * torch.randint_like(mean.expand(self.probes, *mean.shape), 2) - 1  # (n, B, D)


def _units(mean: Tensor) -> Tensor:
    units = torch.eye(mean.shape[1], dtype=mean.dtype, device=mean.device)
    return units[:, None].expand(-1, len(mean), -1)  # (D, B, D)
