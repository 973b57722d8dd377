"""Binary codes: D bits an example, p = sigmoid(a) of a = W h + b, rounded.

    mean = bits = 1[p > 1/2],    d bits / d a := d p / d a

so `mean` is 0 or 1 whatever the training, and what learns through it learns through the sigmoid (straight-through).
They differ in z, what the decoder reads in the objective.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from aeexp.codes.base import Bottleneck
from aeexp.errors import UserError
from aeexp.types import Code

SATURATED = 0.1  # a probability this near to 0 or 1


class Binary(Bottleneck):
    def __init__(self, in_features: int, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(in_features, dim)

    def of(self, a: Tensor) -> Code:
        p = torch.sigmoid(a)
        far = (p - 0.5).abs() > 0.5 - SATURATED
        stats = {"saturated": far.to(p).flatten(1).mean(1), "mean_activation": p.flatten(1).mean(1)}
        return Code(self.read(a, p), straight_through(p > 0.5, p), {}, dict(stats))

    @abstractmethod
    def read(self, a: Tensor, p: Tensor) -> Tensor:
        """What the decoder reads of pre-activations a and p = sigmoid(a): (B, *positions, D) -> the same"""


class Rounded(Binary):
    """z = p: trained as a sigmoid code and rounded afterwards, which costs what the sigmoid did not saturate."""

    def read(self, a: Tensor, p: Tensor) -> Tensor:
        return p


class Noisy(Binary):
    """Salakhutdinov and Hinton (2009), Semantic hashing:  z = sigmoid(a + std eps),  eps ~ N(0, I)

    which drives a away from 0, where the noise costs information. Their noise is the same for an example in every
    epoch, here it is drawn anew.
    """

    def __init__(self, in_features: int, dim: int, std: float) -> None:
        super().__init__(in_features, dim)
        if std < 0:
            raise UserError(f"code.std is the deviation of the noise, but got {std}: choose at least 0, such as 4")
        self.std = std

    def read(self, a: Tensor, p: Tensor) -> Tensor:
        return torch.sigmoid(a + self.std * torch.randn_like(a))


class StraightThrough(Binary):
    """Bengio, Leonard and Courville (2013), Estimating or propagating gradients through stochastic neurons.

    z ~ Bernoulli(p); the gradient passes as if z were p.
    """

    def read(self, a: Tensor, p: Tensor) -> Tensor:
        return straight_through(torch.rand_like(p) < p, p)


def straight_through(value: Tensor, p: Tensor) -> Tensor:
    """Exactly `value`, with the gradient of p."""
    return value.to(p) + (p - p.detach())
