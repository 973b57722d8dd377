"""Convolutions with pooling down, and with upsampling up."""

from itertools import pairwise
from math import prod

from torch import nn

from aeexp.activations import activation
from aeexp.errors import UserError
from aeexp.networks.trunk import Network, Trunk


class Conv(Network):
    """3x3 convolutions that keep the size: each of `pooled` halves the image after it, each of `flat` does not.

    The decoder mirrors them, with nearest-neighbour upsampling where the encoder pools.
    """

    def __init__(self, pooled: list[int], flat: list[int], activation: str) -> None:
        self.pooled, self.flat, self.activation = list(pooled), list(flat), activation

    def encoder(self, shape: tuple[int, ...]) -> Trunk:
        inner = self._inner(shape)
        down = self._stage([shape[0], *self.pooled], nn.MaxPool2d(2))
        level = self._stage([[shape[0], *self.pooled][-1], *self.flat])
        return Trunk(*down, *level, nn.Flatten(), out_features=prod(inner))

    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        inner = self._inner(shape)
        level = self._stage([inner[0], *reversed(self.flat)])
        up = self._stage([[inner[0], *reversed(self.flat)][-1], *reversed(self.pooled)], nn.Upsample(scale_factor=2))
        last = [*self.flat[:1], *self.pooled[:1]][-1]
        return nn.Sequential(
            nn.Linear(in_features, prod(inner)),
            activation(self.activation),
            nn.Unflatten(1, inner),
            *level,
            *up,
            nn.Conv2d(last, shape[0], 3, padding=1),
        )

    def _stage(self, channels: list[int], *resize: nn.Module) -> list[nn.Module]:
        """A convolution and an activation from each width to the next, each followed by `resize`."""
        return [
            layer
            for a, b in pairwise(channels)
            for layer in (nn.Conv2d(a, b, 3, padding=1), activation(self.activation), *resize)
        ]

    def _inner(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """The size of the last feature map."""
        if len(shape) != 3:
            raise UserError(
                f"network=conv needs images (C, H, W), but the data's shape is {tuple(shape)}: choose network=mlp"
            )
        if not [*self.pooled, *self.flat]:
            raise UserError("network=conv has no layers: give network.pooled or network.flat at least one width")
        times, (height, width) = len(self.pooled), shape[1:]
        possible = next(n for n in range(32) if height % 2 ** (n + 1) or width % 2 ** (n + 1))
        if times > possible:
            raise UserError(
                f"network=conv halves the image {times} times, but {height}x{width} can be halved {possible} times: "
                f"give network.pooled at most {possible} widths, or choose network=mlp"
            )
        return [*self.pooled, *self.flat][-1], height // 2**times, width // 2**times
