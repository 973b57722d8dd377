"""The steps of an example: rows of an image, instants of a series (T, F), or `frame` numbers of one (T,)."""

from abc import abstractmethod
from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from aeexp.errors import UserError
from aeexp.networks.base import Autoregressive


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


class Stepwise(Autoregressive):
    """An autoregressive decoder of examples (B, *shape), which are `steps`, as many of as many numbers."""

    def __init__(self, shape: tuple[int, ...], steps: tuple[int, int]) -> None:
        super().__init__()
        self.steps, self.size = steps
        self.rows, self.from_rows = nn.Sequential(Rows(shape), nn.Unflatten(1, steps)), FromRows(shape)

    @abstractmethod
    def of_all(self, z: Tensor, before: Tensor) -> Tensor:
        """theta (B, T, F), by the step before each (B, T, F)"""

    @abstractmethod
    def of_next(self, z: Tensor, before: Tensor, state: Any) -> tuple[Tensor, Any]:
        """theta (B, 1, F) of one more step, by the step before it (B, 1, F) and the state, None at first; and the
        state after it."""

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        return self.from_rows(self.of_all(z, pad(self.rows(x)[:, :-1], (0, 0, 1, 0))))

    def run(self, z: Tensor, feed: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        state, x, thetas = None, [z.new_zeros(z.shape[0], 1, self.size)], list[Tensor]()
        for _ in range(self.steps):
            theta, state = self.of_next(z, x[-1], state)
            thetas.append(theta)
            x.append(feed(theta))
        return self.from_rows(torch.cat(thetas, 1)), self.from_rows(torch.cat(x[1:], 1))
