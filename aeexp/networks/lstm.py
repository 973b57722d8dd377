"""Long short-term memory over the steps of a sequence; the target is reversed.

Srivastava, Mansimov and Salakhutdinov (2015), Unsupervised learning of video representations using LSTMs, section
2.2: the encoder's last state is the representation, from which another LSTM gives the sequence back, its last step
first, so that what it has to tell first is what was seen last. Unconditioned: it does not see what it gave. The code
is its input at every step.

    h_t = LSTM(x_t, h_t-1),  features h_T;    g_k = LSTM(z, g_k-1),  x^_{T-k+1} = V g_k + b,  k = 1..T
"""

from math import prod

from torch import Tensor, nn

from aeexp.errors import UserError
from aeexp.networks.base import Encoder, Network


class LSTM(Network):
    """`width` units in each of `layers`. A step is a row of an image, the F numbers of a series (T, F), or `frame`
    numbers of one (T,)."""

    def __init__(self, width: int, layers: int, frame: int) -> None:
        if min(width, layers, frame) < 1:
            raise UserError(f"network.width, layers and frame are at least 1, but got {width}, {layers} and {frame}")
        self.width, self.layers, self.frame = width, layers, frame

    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        steps, size = self._steps(shape)
        return Encoder(
            Rows(shape), nn.Unflatten(1, (steps, size)), Last(size, self.width, self.layers), out_features=self.width
        )

    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        steps, size = self._steps(shape)
        return nn.Sequential(Backwards(in_features, self.width, self.layers, steps, size), FromRows(shape))

    def _steps(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """How many steps, of how many numbers."""
        if len(shape) == 3:
            return shape[1], shape[0] * shape[2]
        if len(shape) == 2:
            return shape[0], shape[1]
        if prod(shape) % self.frame:
            raise UserError(
                f"network=lstm reads network.frame={self.frame} numbers a step, but the data's {prod(shape)} are no "
                "multiple of it: choose a network.frame that divides them, such as 1"
            )
        return prod(shape) // self.frame, self.frame


class Last(nn.Module):
    """(B, T, F) -> (B, width): the last state of the last layer."""

    def __init__(self, size: int, width: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(size, width, layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0][:, -1]


class Backwards(nn.Module):
    """(B, D) -> (B, T, F), in the order of time, made from its end."""

    def __init__(self, dim: int, width: int, layers: int, steps: int, size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, width, layers, batch_first=True)
        self.out = nn.Linear(width, size)
        self.steps = steps

    def forward(self, z: Tensor) -> Tensor:
        g = self.lstm(z[:, None].expand(-1, self.steps, -1))[0]  # (B, T, width)
        return self.out(g).flip(1)


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
