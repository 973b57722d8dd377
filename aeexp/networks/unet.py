"""U-Net. Ronneberger, Fischer and Brox (2015), U-Net: convolutional networks for biomedical image segmentation, fig. 1.

Every level of the way down is joined to the same level of the way up, so that the image need not pass the narrowest
one. A condition c scales and shifts the channels of each block (Dhariwal and Nichol 2021, section 3).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from aeexp.errors import UserError


class UNet(nn.Module):
    """(B, C, H, W), and (B, condition) where condition > 0 -> (B, C, H, W). Each but the last of `widths` halves.

    An odd side is halved rounding up, and on the way up cut to what it was.
    """

    def __init__(self, shape: tuple[int, ...], widths: list[int], condition: int) -> None:
        super().__init__()
        times = len(widths) - 1
        if len(shape) != 3 or not 0 <= times <= (max(shape[1:]) - 1).bit_length():
            raise UserError(
                f"a U-Net of the {len(widths)} model.widths halves images (C, H, W) {max(times, 0)} times, but the "
                f"data's shape is {tuple(shape)}: choose as many widths as it can be halved, and one, or model=deep"
            )
        self.enter = nn.Conv2d(shape[0], widths[0], 3, padding=1)
        self.down = nn.ModuleList(Block(width, width, condition) for width in widths[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.middle = Block(widths[-1], widths[-1], condition)
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(Block(2 * width, width, condition) for width in widths[:-1])
        self.leave = nn.Conv2d(widths[0], shape[0], 3, padding=1)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        h, skips = self.enter(x), []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            h = block(h, c)
            skips.append(h)
            h = shrink(h)
        h = self.middle(h, c)
        for grow, block, skip in zip(reversed(self.grow), reversed(self.up), reversed(skips), strict=True):
            h = grow(nn.functional.interpolate(h, size=skip.shape[2:]))
            h = block(torch.cat([skip, h], dim=1), c)
        return self.leave(h)


class Block(nn.Module):
    """A residual block of two convolutions: (B, C_in, H, W) -> (B, C_out, H, W)."""

    def __init__(self, channels: int, out: int, condition: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(channels, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
        self.norm = nn.GroupNorm(1, out)
        self.film = nn.Linear(condition, 2 * out) if condition else None
        self.past = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        h = self.norm(self.first(silu(x)))
        if self.film is not None:
            scale, shift = self.film(c)[:, :, None, None].chunk(2, dim=1)  # (B, C_out, 1, 1) each
            h = h * (1 + scale) + shift
        return self.past(x) + self.second(silu(h))
