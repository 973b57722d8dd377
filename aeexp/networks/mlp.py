"""Fully connected layers. The decoder has the encoder's widths in reverse; no widths: no hidden layer."""

from itertools import pairwise
from math import prod

from torch import nn

from aeexp.activations import activation
from aeexp.networks.base import Encoder, Network


class MLP(Network):
    def __init__(self, widths: list[int], activation: str) -> None:
        self.widths, self.activation = list(widths), activation

    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        sizes = [prod(shape), *self.widths]
        return Encoder(nn.Flatten(), *self._hidden(sizes), out_features=sizes[-1])

    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        sizes = [in_features, *reversed(self.widths)]
        return nn.Sequential(*self._hidden(sizes), nn.Linear(sizes[-1], prod(shape)), nn.Unflatten(1, tuple(shape)))

    def layer_pairs(self, encoder: nn.Module, code: nn.Module, decoder: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
        flatten, *up = encoder.children()  # a Linear and an activation for each layer
        *down, last, unflatten = decoder.children()
        f = [nn.Sequential(*up[i : i + 2]) for i in range(0, len(up), 2)]
        g = [nn.Sequential(*down[i : i + 2]) for i in range(0, len(down), 2)]
        first, *others = [*f, code]
        return list(
            zip([nn.Sequential(flatten, first), *others], [nn.Sequential(last, unflatten), *reversed(g)], strict=True)
        )

    def _hidden(self, sizes: list[int]) -> list[nn.Module]:
        return [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), activation(self.activation))]
