"""Convolutions down and up.

Conv            max-pooling; nearest-neighbour upsampling and convolution (Masci et al. 2011; Odena et al. 2016,
                Deconvolution and checkerboard artifacts)
ConvTransposed  max-pooling; transposed convolutions (Zeiler et al. 2010, Deconvolutional networks), 4x4 and stride 2: a
                kernel that the stride divides makes no checkerboard (Odena et al. 2016)
ConvUnpool      max-pooling; max-unpooling with the encoder's switches (Zhao et al. 2015, Stacked what-where
                auto-encoders)

A side is halved rounding up, and what is too much on the way up is cut off, so that images of any size will do.
"""

from abc import abstractmethod
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import max_unpool2d

from aeexp.activations import activation
from aeexp.errors import NotApplicable, UserError
from aeexp.networks.base import Encoder, Network
from aeexp.networks.features import Features

Size = tuple[int, int]  # height and width


class Convolutions(Network):
    """Blocks that keep the size: each of `pooled` halves the image after it, each of `flat` does not.

    The decoder mirrors them, and doubles the image where the encoder pools.
    """

    def __init__(self, pooled: list[int], flat: list[int], activation: str, features: Features) -> None:
        self.pooled, self.flat, self.activation, self.features = list(pooled), list(flat), activation, features

    @abstractmethod
    def block(self, a: int, b: int) -> list[nn.Module]:
        """Layers (B, a, H, W) -> (B, b, H, W)"""

    @abstractmethod
    def pool(self, width: int) -> nn.Module:
        """(B, width, H, W) -> (B, width, ceil(H/2), ceil(W/2)), and a switch for the decoder if it needs one"""

    @abstractmethod
    def double(self, a: int, b: int, size: Size) -> list[nn.Module]:
        """Layers (B, a, ceil(H/2), ceil(W/2)) -> (B, b, H, W) of size (H, W)"""

    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        inner, widths = self._inner(shape), [shape[0], *self.pooled]
        down = [layer for a, b in pairwise(widths) for layer in (*self.block(a, b), self.pool(b))]
        level = [layer for a, b in pairwise([widths[-1], *self.flat]) for layer in self.block(a, b)]
        return self.features.encoder([*down, *level], inner)

    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        inner = self._inner(shape)
        widths = [inner[0], *reversed(self.flat)]
        level = [layer for a, b in pairwise(widths) for layer in self.block(a, b)]
        sizes = reversed(self._sizes(shape)[:-1])
        steps = zip(pairwise([widths[-1], *reversed(self.pooled)]), sizes, strict=True)
        up = [layer for (a, b), size in steps for layer in self.double(a, b, size)]
        last = [*self.flat[:1], *self.pooled[:1]][-1]
        start = [*self.features.start(in_features, inner), activation(self.activation)]
        return Decoder(*start, *level, *up, nn.Conv2d(last, shape[0], 3, padding=1))

    def _inner(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """The shape of the last feature map."""
        if len(shape) != 3:
            raise UserError(
                f"network=conv needs images (C, H, W), but the data's shape is {tuple(shape)}: choose network=mlp, or "
                "network=conv1d of series"
            )
        if not [*self.pooled, *self.flat]:
            raise UserError("network=conv has no layers: give network.pooled or network.flat at least one width")
        times, possible = len(self.pooled), (max(shape[1:]) - 1).bit_length()
        if times > possible:
            raise UserError(
                f"network=conv halves the image {times} times, but {shape[1]}x{shape[2]} is one pixel after {possible} "
                f"times: give network.pooled at most {possible} widths, or choose network=mlp"
            )
        return [*self.pooled, *self.flat][-1], *self._sizes(shape)[-1]

    def _sizes(self, shape: tuple[int, ...]) -> list[Size]:
        """Of the image, and after each pooling."""
        sizes = [(shape[1], shape[2])]
        for _ in self.pooled:
            height, width = sizes[-1]
            sizes.append(((height + 1) // 2, (width + 1) // 2))
        return sizes


class Plain(Convolutions):
    """A block is a convolution of 3x3 and its activation."""

    def block(self, a: int, b: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 3, padding=1), activation(self.activation)]


class Conv(Plain):
    def pool(self, width: int) -> nn.Module:
        return nn.MaxPool2d(2, ceil_mode=True)

    def double(self, a: int, b: int, size: Size) -> list[nn.Module]:
        return [*self.block(a, b), nn.Upsample(size)]


class ConvTransposed(Plain):
    def pool(self, width: int) -> nn.Module:
        return nn.MaxPool2d(2, ceil_mode=True)

    def double(self, a: int, b: int, size: Size) -> list[nn.Module]:
        height, width = size
        cut = [nn.ZeroPad2d((0, -(width % 2), 0, -(height % 2)))] if height % 2 or width % 2 else []
        return [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1), *cut, activation(self.activation)]


class ConvUnpool(Plain):
    """The decoder puts each value where the encoder's pooling found the greatest of its window, and 0 around it.

    These switches go from encoder to decoder past the bottleneck, two bits a window that no unit of the code counts,
    thousands of them in an image. So a reconstruction, which has the image, is better than its code alone explains, and
    a code alone, as of a sample from a prior, is refused.
    """

    def pool(self, width: int) -> nn.Module:
        return nn.MaxPool2d(2, ceil_mode=True, return_indices=True)

    def double(self, a: int, b: int, size: Size) -> list[nn.Module]:
        return [*self.block(a, b), Unpool(size)]


class Decoder(nn.Sequential):
    """(B, *positions, in_features), the encoder's switches, the first pooling's first -> (B, *shape)"""

    def forward(self, z: Tensor, *switches: Tensor) -> Tensor:
        left = list(switches)
        for layer in self:
            if isinstance(layer, Unpool):
                if not left:
                    raise NotApplicable(
                        "network=conv_unpool puts values where the encoder found them in the same image, so that it "
                        "cannot decode a code alone, such as a sample: choose network=conv or network=conv_transposed"
                    )
                z = layer(z, left.pop())
            else:
                z = layer(z)
        return z


class Unpool(nn.Module):
    """(B, C, ceil(H/2), ceil(W/2)) and where the greatest of each window was -> (B, C, H, W)"""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size

    def forward(self, h: Tensor, switch: Tensor) -> Tensor:
        return max_unpool2d(h, switch, [2, 2], output_size=[*self.size])
