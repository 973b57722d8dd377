"""Recurrent networks over the steps of a sequence, from whose last state a decoder gives it back, reversed or not.

Srivastava, Mansimov and Salakhutdinov (2015), Unsupervised learning of video representations using LSTMs, section
2.2: the encoder's last state is the representation, from which another LSTM gives the sequence back, its last step
first, so that what it has to tell first is what was seen last. Unconditioned: it does not see what it gave. The code
is its input at every step.

    h_t = LSTM(x_t, h_t-1),  features h_T;    g_k = LSTM(z, g_k-1),  x^_{T-k+1} = V g_k + b,  k = 1..T

Conditioned, which `autoregressive` makes, from the first step on (Sutskever, Vinyals and Le 2014, Sequence to sequence
learning with neural networks, eq. 4; here the code is an input at every step):

    g_t = LSTM([x_t-1, z], g_t-1),  theta_t = V g_t + b,  x_0 = 0

A sequence (T, F) may be shorter than T: steps of zeros alone at its end are none of it, and h_T is the state before
them. GRU: the same with gated recurrent units. Cho et al. (2014), Learning phrase representations, eq. 5 to 8.
"""

from typing import Any

import torch
from torch import Tensor, nn

from aeexp.errors import UserError
from aeexp.networks.base import Autoregressive, Encoder, Network
from aeexp.networks.steps import FromRows, Rows, Stepwise, beyond_end, steps_of

Cell = type[nn.LSTM] | type[nn.GRU]


class LSTM(Network):
    """`width` units in each of `layers`. A step is a row of an image, the F numbers of a series (T, F), or `frame`
    numbers of one (T,)."""

    cell: Cell = nn.LSTM

    def __init__(self, width: int, layers: int, frame: int) -> None:
        if min(width, layers, frame) < 1:
            raise UserError(f"network.width, layers and frame are at least 1, but got {width}, {layers} and {frame}")
        self.width, self.layers, self.frame = width, layers, frame

    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        steps, size = steps_of(shape, self.frame)
        return Encoder(
            Rows(shape),
            nn.Unflatten(1, (steps, size)),
            Last(self.cell, size, self.width, self.layers, padded=len(shape) == 2),
            out_features=self.width,
        )

    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        steps, size = steps_of(shape, self.frame)
        return nn.Sequential(Backwards(self.cell, in_features, self.width, self.layers, steps, size), FromRows(shape))

    def autoregressive(self, in_features: int, shape: tuple[int, ...]) -> Autoregressive:
        return Forwards(self.cell, in_features, self.width, self.layers, shape, steps_of(shape, self.frame))


class GRU(LSTM):
    cell = nn.GRU


class Last(nn.Module):
    """(B, T, F) -> (B, width): the last state of the last layer; `padded`: before the zeros at a sequence's end."""

    def __init__(self, cell: Cell, size: int, width: int, layers: int, padded: bool) -> None:
        super().__init__()
        self.lstm, self.padded = cell(size, width, layers, batch_first=True), padded

    def forward(self, x: Tensor) -> Tensor:
        h = self.lstm(x)[0]
        if not self.padded:
            return h[:, -1]
        last = (x.shape[1] - 1 - beyond_end(x).sum(1)).clamp_min(0)
        return h.gather(1, last[:, None, None].expand(-1, 1, h.shape[2]))[:, 0]


class Backwards(nn.Module):
    """(B, D) -> (B, T, F), in the order of time, made from its end."""

    def __init__(self, cell: Cell, dim: int, width: int, layers: int, steps: int, size: int) -> None:
        super().__init__()
        self.lstm = cell(dim, width, layers, batch_first=True)
        self.out = nn.Linear(width, size)
        self.steps = steps

    def forward(self, z: Tensor) -> Tensor:
        g = self.lstm(z[:, None].expand(-1, self.steps, -1))[0]  # (B, T, width)
        return self.out(g).flip(1)


class Forwards(Stepwise):
    def __init__(
        self, cell: Cell, dim: int, width: int, layers: int, shape: tuple[int, ...], steps: tuple[int, int]
    ) -> None:
        super().__init__(shape, steps)
        self.lstm = cell(self.size + dim, width, layers, batch_first=True)
        self.out = nn.Linear(width, self.size)

    def of_all(self, z: Tensor, before: Tensor) -> Tensor:
        return self.of_next(z, before, None)[0]

    def of_next(self, z: Tensor, before: Tensor, state: Any) -> tuple[Tensor, Any]:
        h, state = self.lstm(torch.cat([before, z[:, None].expand(-1, before.shape[1], -1)], 2), state)
        return self.out(h), state
