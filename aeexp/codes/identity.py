"""The plain code: z = s(W h + b), which costs nothing."""

from torch import Tensor, nn

from aeexp.activations import activation as named
from aeexp.types import Code


class Identity(nn.Module):
    def __init__(self, in_features: int, dim: int, activation: str) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(in_features, dim), named(activation))

    def forward(self, h: Tensor) -> Code:
        z = self.project(h)
        return Code(z, z)
