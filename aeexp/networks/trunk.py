"""What every network is, and what its encoder is."""

from abc import ABC, abstractmethod

from torch import nn


class Trunk(nn.Sequential):
    """(B, *shape) -> (B, out_features)"""

    def __init__(self, *layers: nn.Module, out_features: int) -> None:
        super().__init__(*layers)
        self.out_features = out_features


class Network(ABC):
    @abstractmethod
    def encoder(self, shape: tuple[int, ...]) -> Trunk:
        """(B, *shape) -> (B, F). UserError where the network cannot read this shape."""

    @abstractmethod
    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        """(B, in_features) -> (B, *shape), linear at the end: the likelihood knows what it means"""
