"""Residual convolutions. He, Zhang, Ren and Sun (2016), Identity mappings in deep residual networks, fig. 1 (b).

    h + W_2 * s(norm(W_1 * s(norm(h))))

with group normalisation (Wu and He 2018), which needs no batch, convolutions of stride 2 down, and nearest-neighbour
upsampling: the encoder and the decoder of Esser, Rombach and Ommer (2021), Taming transformers, without attention.
"""

from torch import Tensor, nn

from aeexp.activations import activation
from aeexp.errors import UserError
from aeexp.networks.conv import Convolutions, Size
from aeexp.networks.features import Features


class ResNet(Convolutions):
    """A block is a convolution to its width and a residual block; `groups` share the channels of a normalisation."""

    def __init__(self, pooled: list[int], flat: list[int], activation: str, features: Features, groups: int) -> None:
        super().__init__(pooled, flat, activation, features)
        if groups < 1 or any(width % groups for width in (*pooled, *flat)):
            raise UserError(
                f"network.groups={groups} share the channels of network.pooled={[*pooled]} and flat={[*flat]}: choose "
                "groups that divide each width"
            )
        self.groups = groups

    def block(self, a: int, b: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 3, padding=1), Residual(b, self.activation, self.groups)]

    def pool(self, width: int) -> nn.Module:
        return nn.Conv2d(width, width, 3, stride=2, padding=1)

    def double(self, a: int, b: int, size: Size) -> list[nn.Module]:
        return [nn.Upsample(size), *self.block(a, b)]


class Residual(nn.Module):
    """(B, C, H, W) -> the same"""

    def __init__(self, width: int, s: str, groups: int) -> None:
        super().__init__()
        layers = [(nn.GroupNorm(groups, width), activation(s), nn.Conv2d(width, width, 3, padding=1)) for _ in range(2)]
        self.change = nn.Sequential(*(layer for three in layers for layer in three))

    def forward(self, h: Tensor) -> Tensor:
        return h + self.change(h)
