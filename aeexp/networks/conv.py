"""Convolutions with max-pooling down, and three ways up.

Conv            nearest-neighbour upsampling and convolution (Masci et al. 2011; Odena et al. 2016, Deconvolution and
                checkerboard artifacts)
ConvTransposed  transposed convolutions (Zeiler et al. 2010, Deconvolutional networks), 4x4 and stride 2: a kernel that
                the stride divides makes no checkerboard (Odena et al. 2016)
ConvUnpool      max-unpooling with the encoder's switches (Zhao et al. 2015, Stacked what-where auto-encoders)
"""

from abc import abstractmethod
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from aeexp.activations import activation
from aeexp.errors import NotApplicable, UserError
from aeexp.networks.base import Encoder, Network


class Convolutions(Network):
    """3x3 convolutions that keep the size: each of `pooled` halves the image after it, each of `flat` does not.

    The decoder mirrors them, and doubles the image where the encoder pools.
    """

    def __init__(self, pooled: list[int], flat: list[int], activation: str) -> None:
        self.pooled, self.flat, self.activation = list(pooled), list(flat), activation

    @abstractmethod
    def pool(self) -> nn.Module:
        """(B, C, H, W) -> (B, C, H/2, W/2), and a switch for the decoder if it needs one"""

    @abstractmethod
    def double(self, a: int, b: int) -> list[nn.Module]:
        """Layers (B, a, H, W) -> (B, b, 2H, 2W)"""

    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        inner, widths = self._inner(shape), [shape[0], *self.pooled]
        down = [layer for a, b in pairwise(widths) for layer in (*self.convolution(a, b), self.pool())]
        level = [layer for a, b in pairwise([widths[-1], *self.flat]) for layer in self.convolution(a, b)]
        return Encoder(*down, *level, nn.Flatten(), out_features=prod(inner))

    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        inner = self._inner(shape)
        widths = [inner[0], *reversed(self.flat)]
        level = [layer for a, b in pairwise(widths) for layer in self.convolution(a, b)]
        up = [layer for a, b in pairwise([widths[-1], *reversed(self.pooled)]) for layer in self.double(a, b)]
        last = [*self.flat[:1], *self.pooled[:1]][-1]
        start = [nn.Linear(in_features, prod(inner)), activation(self.activation), nn.Unflatten(1, inner)]
        return Decoder(*start, *level, *up, nn.Conv2d(last, shape[0], 3, padding=1))

    def convolution(self, a: int, b: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 3, padding=1), activation(self.activation)]

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


class Conv(Convolutions):
    def pool(self) -> nn.Module:
        return nn.MaxPool2d(2)

    def double(self, a: int, b: int) -> list[nn.Module]:
        return [*self.convolution(a, b), nn.Upsample(scale_factor=2)]


class ConvTransposed(Convolutions):
    def pool(self) -> nn.Module:
        return nn.MaxPool2d(2)

    def double(self, a: int, b: int) -> list[nn.Module]:
        return [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1), activation(self.activation)]


class ConvUnpool(Convolutions):
    """The decoder puts each value where the encoder's pooling found the greatest of its window, and 0 around it.

    These switches go from encoder to decoder past the bottleneck, two bits a window that no unit of the code counts,
    thousands of them in an image. So a reconstruction, which has the image, is better than its code alone explains, and
    a code alone, as of a sample from a prior, is refused.
    """

    def pool(self) -> nn.Module:
        return nn.MaxPool2d(2, return_indices=True)

    def double(self, a: int, b: int) -> list[nn.Module]:
        return [*self.convolution(a, b), nn.MaxUnpool2d(2)]


class Decoder(nn.Sequential):
    """(B, in_features), the encoder's switches, the first pooling's first -> (B, *shape)"""

    def forward(self, z: Tensor, *switches: Tensor) -> Tensor:
        left = list(switches)
        for layer in self:
            if isinstance(layer, nn.MaxUnpool2d):
                if not left:
                    raise NotApplicable(
                        "network=conv_unpool puts values where the encoder found them in the same image, so that it "
                        "cannot decode a code alone, such as a sample: choose network=conv or network=conv_transposed"
                    )
                z = layer(z, left.pop())
            else:
                z = layer(z)
        return z
