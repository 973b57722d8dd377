"""Sparse codes, by a penalty on the activations.

A unit is active where it is not 0, and a sigmoid unit, which never is, where it is nearer to 1 than to 0 (Ng 2011).
"""

from math import log

from torch import Tensor, nn

from aeexp.activations import activation as named
from aeexp.codes.activity import activity
from aeexp.codes.base import Bottleneck
from aeexp.errors import UserError
from aeexp.types import Code


class L1(Bottleneck):
    """z = s(W h + b), which costs  weight * sum_j |z_j|  nats."""

    activation: nn.Module

    def __init__(self, in_features: int, dim: int, activation: str, weight: float) -> None:
        super().__init__()
        self.project, self.activation = nn.Linear(in_features, dim), named(activation)
        self.weight = weight

    def of(self, a: Tensor) -> Code:
        z = self.activation(a)
        size = z.abs().flatten(1).sum(1)  # (B,)
        return Code(z, z, {"l1": self.weight * size}, {"mean_activation": z.flatten(1).mean(1), **activity(z != 0)})


class KL(Bottleneck):
    """Ng, Sparse autoencoder, CS294A lecture notes (2011), section 3.

    z = sigmoid(W h + b), which costs  weight * sum_j KL(rho || rho_j),  where rho_j is the mean of z_j over the
    batch and  KL(rho || r) = rho log(rho / r) + (1 - rho) log((1 - rho) / (1 - r)).
    """

    activation: nn.Module

    def __init__(self, in_features: int, dim: int, weight: float, rho: float) -> None:
        super().__init__()
        if not 0 < rho < 1:
            raise UserError(f"code.rho is the mean activation of a sigmoid unit, between 0 and 1, but got {rho}")
        self.project, self.activation = nn.Linear(in_features, dim), nn.Sigmoid()
        self.weight, self.rho = weight, rho

    def of(self, a: Tensor) -> Code:
        z = self.activation(a)
        # log rho_j and log(1 - rho_j) from the logits, so that a saturated unit costs much and not infinity
        positions = tuple(range(a.dim() - 1))
        log_n = a.new_zeros(a.shape[:-1]).logsumexp(positions)  # (), log of how many there are
        log_r = nn.functional.logsigmoid(a).logsumexp(positions) - log_n  # (D,)
        log_1r = nn.functional.logsigmoid(-a).logsumexp(positions) - log_n
        rho = self.rho
        kl = rho * (log(rho) - log_r) + (1 - rho) * (log(1 - rho) - log_1r)  # (D,)
        stats = {"mean_activation": z.flatten(1).mean(1), **activity(a > 0)}
        return Code(z, z, {"kl": self.weight * kl.sum()}, stats)
