"""What the code reads of the last feature map of an encoder, (B, C, H, W)."""

from abc import ABC, abstractmethod
from math import prod

from torch import Tensor, nn

from aeexp.networks.base import Encoder


class Features(ABC):
    @abstractmethod
    def encoder(self, layers: list[nn.Module], inner: tuple[int, int, int]) -> Encoder:
        """The encoder of these layers, whose last feature map is (B, *inner)."""

    @abstractmethod
    def start(self, in_features: int, inner: tuple[int, int, int]) -> list[nn.Module]:
        """Layers of the decoder: (B, *positions, in_features) -> (B, *inner)"""


class Vector(Features):
    """All of it at once: a code (B, D)."""

    def encoder(self, layers: list[nn.Module], inner: tuple[int, int, int]) -> Encoder:
        return Encoder(*layers, nn.Flatten(), out_features=prod(inner))

    def start(self, in_features: int, inner: tuple[int, int, int]) -> list[nn.Module]:
        return [nn.Linear(in_features, prod(inner)), nn.Unflatten(1, inner)]


class Map(Features):
    """The channels of each position by themselves: a code (B, H, W, D)."""

    def encoder(self, layers: list[nn.Module], inner: tuple[int, int, int]) -> Encoder:
        channels, *positions = inner
        return Encoder(*layers, MoveChannels(1, -1), out_features=channels, positions=tuple(positions))

    def start(self, in_features: int, inner: tuple[int, int, int]) -> list[nn.Module]:
        return [nn.Linear(in_features, inner[0]), MoveChannels(-1, 1)]


class MoveChannels(nn.Module):
    """(B, C, H, W) -> (B, H, W, C) by 1, -1, and back by -1, 1."""

    def __init__(self, source: int, destination: int) -> None:
        super().__init__()
        self.source, self.destination = source, destination

    def forward(self, h: Tensor) -> Tensor:
        return h.movedim(self.source, self.destination)
