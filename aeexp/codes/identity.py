"""The deterministic code without a cost: z = s(W h + b). Where s can be 0, its activity is logged."""

from torch import Tensor, nn

from aeexp.activations import activation as named
from aeexp.codes.activity import activity
from aeexp.codes.base import Bottleneck
from aeexp.types import Code

SPARSE = (nn.ReLU, nn.ReLU6, nn.Hardshrink, nn.Softshrink)


class Identity(Bottleneck):
    activation: nn.Module

    def __init__(self, in_features: int, dim: int, activation: str) -> None:
        super().__init__()
        self.project, self.activation = nn.Linear(in_features, dim), named(activation)

    def of(self, a: Tensor) -> Code:
        z = self.activation(a)
        return Code(z, z, stats=activity(z != 0) if isinstance(self.activation, SPARSE) else {})
