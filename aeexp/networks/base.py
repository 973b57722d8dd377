"""What every network is, and what its encoder is."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Encoder(nn.Sequential):
    """(B, *shape) -> (B, out_features)"""

    def __init__(self, *layers: nn.Module, out_features: int) -> None:
        super().__init__(*layers)
        self.out_features = out_features

    def forward(self, x: Tensor) -> Tensor:
        return self.with_switches(x)[0]

    def with_switches(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The features, and what layers noted for the decoder: the second of what they give, where they give two."""
        switches: list[Tensor] = []
        for layer in self:
            x = layer(x)
            if isinstance(x, tuple):
                x, switch = x
                switches.append(switch)
        return x, switches


class Network(ABC):
    @abstractmethod
    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        """(B, *shape) -> (B, F). UserError where the network cannot read this shape."""

    @abstractmethod
    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        """(B, in_features), the encoder's pooling switches -> theta (B, *shape), linear at the end.

        Without switches that it needs, it raises UserError.
        """
