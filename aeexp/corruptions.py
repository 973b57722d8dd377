"""Corruptions x -> x~, what the encoder sees instead of x: noise, and tasks such as inpainting and colouring.

A corruption always corrupts. The objective applies it, in training and in validation; encode and reconstruct do not.
"""

from abc import ABC, abstractmethod
from math import inf

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d

from aeexp.errors import UserError


class Corruption(nn.Module, ABC):
    identity: bool = False  # whether x~ = x
    bounded: bool = False  # whether it is of numbers in [0, scale] alone

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """(B, *shape) -> x~ of the same shape. UserError where it cannot read this shape."""

    def always_hidden(self, shape: tuple[int, ...]) -> Tensor | None:
        """Which numbers of every example it hides, (*shape) bool on the CPU; None where not always the same ones."""
        return None


class Uncorrupted(Corruption):
    """x~ = x"""

    identity = True

    def forward(self, x: Tensor) -> Tensor:
        return x


class Gaussian(Corruption):
    """x~ = x + scale * std * eps, eps ~ N(0, I). Vincent et al. (2010), section 3.3. `clip`: to [0, scale]."""

    def __init__(self, std: float, scale: float, clip: bool) -> None:
        super().__init__()
        if std < 0:
            raise UserError(f"corruption.std is a standard deviation, at least 0, but got {std}")
        self.std, self.scale, self.range = std, scale, (0.0, scale) if clip else (-inf, inf)
        self.bounded = clip

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.scale * self.std * torch.randn_like(x)).clamp(*self.range)


class Masking(Corruption):
    """Each value is set to 0 with probability `fraction`. Vincent et al. (2010), section 3.3."""

    def __init__(self, fraction: float) -> None:
        super().__init__()
        self.fraction = _probability(fraction)

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.rand_like(x) >= self.fraction)


class SaltAndPepper(Corruption):
    """Each value is set, with probability `fraction`, to 0 or to `scale`, by a fair coin. Vincent et al. (2010)."""

    bounded = True

    def __init__(self, fraction: float, scale: float) -> None:
        super().__init__()
        self.fraction, self.scale = _probability(fraction), scale

    def forward(self, x: Tensor) -> Tensor:
        u = torch.rand_like(x)
        pepper_or_salt = self.scale * (u < self.fraction / 2)
        return torch.where(u < self.fraction, pepper_or_salt, x)


class WhiteNoise(Corruption):
    """x~ = x + noise at `decibels` = 10 log10(P_x / P_noise), P_x the variance of each example.

    Denoising of sound, where how loud an example is tells nothing of it.
    """

    def __init__(self, decibels: float, scale: float, clip: bool) -> None:
        super().__init__()
        self.ratio, self.range = 10 ** (-decibels / 20), (0.0, scale) if clip else (-inf, inf)
        self.bounded = clip

    def forward(self, x: Tensor) -> Tensor:
        std = x.flatten(1).std(1, correction=0).view(-1, *[1] * (x.dim() - 1))
        return (x + self.ratio * std * torch.randn_like(x)).clamp(*self.range)


class Blocks(Corruption):
    """Hides `count` blocks of each example, each `fraction` of a side long, at random places: inpainting.

    A block is a square of an image (B, C, H, W) through all channels, and a stretch of a series (B, T) or (B, T, F);
    `value` * `scale` stands there. Pathak et al. (2016), Context encoders, section 3.3.
    """

    def __init__(self, fraction: float, count: int, value: float, scale: float) -> None:
        super().__init__()
        self.value = value * scale
        self.fraction, self.count = _probability(fraction), count
        if count < 1:
            raise UserError(f"corruption.count is the number of blocks, at least 1, but got {count}")

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.zeros(len(x), *x.shape[1:], dtype=torch.bool, device=x.device)
        for _ in range(self.count):
            block = torch.ones_like(hidden)
            for axis in (2, 3) if x.dim() == 4 else (1,):
                block = block & self._stretch(x, axis)
            hidden = hidden | block
        return x.masked_fill(hidden, self.value)

    def _stretch(self, x: Tensor, axis: int) -> Tensor:
        """True along a random stretch of the axis, another for each example; (B, 1, .., n, .., 1)"""
        n = x.shape[axis]
        length = round(self.fraction * n)
        start = (torch.rand(len(x), 1, device=x.device) * (n - length + 1)).floor()  # (B, 1)
        position = torch.arange(n, device=x.device)
        shape = [len(x), *[1] * (x.dim() - 1)]
        shape[axis] = n
        return ((position >= start) & (position < start + length)).view(shape)


class Quadrants(Corruption):
    """Hides all but `seen` quadrants of an image: 1, the bottom left; 2, the left half; 3, all but the bottom right.

    `value` * `scale` stands there. Sohn, Lee and Yan (2015), Learning structured output representation, section 5.1.
    """

    def __init__(self, seen: int, value: float, scale: float) -> None:
        super().__init__()
        if seen not in (1, 2, 3):
            raise UserError(f"corruption.seen={seen} is how many quadrants are seen: choose 1, 2 or 3")
        self.seen, self.value = seen, value * scale

    def forward(self, x: Tensor) -> Tensor:
        return x.masked_fill(self.always_hidden(tuple(x.shape[1:])).to(x.device), self.value)

    def always_hidden(self, shape: tuple[int, ...]) -> Tensor:
        if len(shape) != 3:
            raise UserError(
                f"corruption=quadrants needs images, but the shape is {shape}: choose corruption=blocks, or images"
            )
        hidden = torch.ones(shape, dtype=torch.bool, device="cpu")
        half_height, half_width = shape[1] // 2, shape[2] // 2
        hidden[:, half_height if self.seen == 1 else 0 :, :half_width] = False
        if self.seen == 3:
            hidden[:, :half_height] = False
        return hidden


class Gray(Corruption):
    """Each colour becomes its luminance, in all three channels: colouring. ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B

    The identity where there is one channel. Zhang, Isola and Efros (2016), Colorful image colorization.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.shape[1] not in (1, 3):
            raise UserError(
                f"corruption=gray needs images of 1 or 3 channels, but the data's shape is {tuple(x.shape[1:])}: "
                "choose another corruption, or a data set of images"
            )
        if x.shape[1] == 1:
            return x
        weights = x.new_tensor([0.299, 0.587, 0.114])
        return torch.einsum("bchw,c->bhw", x, weights)[:, None].expand_as(x)


class Coarse(Corruption):
    """Means over `factor` neighbours along each side, each shown as wide as it was: super-resolution.

    Of images (B, C, H, W), or of series (B, T) or (B, T, F) along T. Dong et al. (2014), section 3: the low resolution
    is brought to the size of the high one first.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        if factor < 1:
            raise UserError(f"corruption.factor is how many neighbours become one, at least 1, but got {factor}")
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        for axis in (2, 3) if x.dim() == 4 else (1,):
            last = x.movedim(axis, -1)
            factor = min(self.factor, last.shape[-1])
            means = avg_pool1d(last.flatten(0, -2)[:, None], factor, ceil_mode=True)  # (.., 1, n / factor)
            x = means.repeat_interleave(factor, -1)[..., : last.shape[-1]].reshape(last.shape).movedim(-1, axis)
        return x


def _probability(fraction: float) -> float:
    if not 0 <= fraction <= 1:
        raise UserError(f"corruption.fraction is a probability, between 0 and 1, but got {fraction}")
    return fraction
