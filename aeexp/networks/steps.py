"""The steps of an example: rows of an image, instants of a series (T, F), or `frame` numbers of one (T,)."""

from math import prod

from torch import Tensor, nn

from aeexp.errors import UserError


def steps_of(shape: tuple[int, ...], frame: int = 1) -> tuple[int, int]:
    """How many steps an example has, of how many numbers."""
    if len(shape) == 3:
        return shape[1], shape[0] * shape[2]
    if len(shape) == 2:
        return shape[0], shape[1]
    if prod(shape) % frame:
        raise UserError(
            f"the network reads network.frame={frame} numbers a step, but the data's {prod(shape)} are no multiple of "
            "it: choose a network.frame that divides them, such as 1"
        )
    return prod(shape) // frame, frame


def beyond_end(x: Tensor) -> Tensor:
    """Which steps are none of a sequence (B, T, F), zeros at its end: (B, T) bool"""
    return (x == 0).all(2).flip(1).cumprod(1).flip(1).bool()


class Rows(nn.Module):
    """(B, *shape) -> (B, N) in the order of time: an image row by row, all channels of one together."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.image = len(shape) == 3

    def forward(self, x: Tensor) -> Tensor:
        return (x.movedim(1, 2) if self.image else x).flatten(1)


class FromRows(nn.Module):
    """The inverse: (B, T, F) -> (B, *shape)"""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        if len(self.shape) < 3:
            return x.reshape(-1, *self.shape)
        channels, height, width = self.shape
        return x.reshape(-1, height, channels, width).movedim(2, 1)
