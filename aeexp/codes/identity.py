"""The plain code: z = s(W h + b), which costs nothing. Where s can be 0, it is told how many units are not."""

from torch import Tensor, nn

from aeexp.activations import activation as named
from aeexp.codes.activity import activity
from aeexp.types import Code

SPARSE = (nn.ReLU, nn.ReLU6, nn.Hardshrink, nn.Softshrink)


class Identity(nn.Module):
    def __init__(self, in_features: int, dim: int, activation: str) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(in_features, dim), named(activation))

    def forward(self, h: Tensor) -> Code:
        return self.of(self.project(h))

    def of(self, z: Tensor) -> Code:
        return Code(z, z, stats=activity(z != 0) if isinstance(self.project[-1], SPARSE) else {})
