"""Convolutions over the steps of a series. Kiranyaz et al. (2021), 1D convolutional neural networks and applications.

    h_0 = x,  h_k = s(W_k * h_k-1), every `stride`-th step of it;  features: all of h_n

and back by nearest-neighbour upsampling and convolution (Odena et al. 2016, Deconvolution and checkerboard artifacts).
A step is an instant of a series (T,) or (T, F), or a row of an image.
"""

from itertools import pairwise

from torch import Tensor, nn

from aeexp.activations import activation
from aeexp.errors import UserError
from aeexp.networks.base import Encoder, Network
from aeexp.networks.steps import FromRows, Rows, steps_of


class Conv1d(Network):
    """`channels` of each layer; each leaves one step in `stride`, rounding up. `kernel` steps, an odd number."""

    def __init__(self, channels: list[int], kernel: int, stride: int, activation: str) -> None:
        if not channels or min(channels) < 1 or stride < 1 or kernel < stride or kernel % 2 == 0:
            raise UserError(
                f"network.channels={[*channels]}, kernel={kernel} and stride={stride}: choose at least one width, and "
                "an odd kernel that is no less than the stride, so that it sees every step"
            )
        self.channels, self.kernel, self.stride, self.activation = list(channels), kernel, stride, activation

    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        steps, size = steps_of(shape)
        layers = [
            layer
            for a, b in pairwise([size, *self.channels])
            for layer in (nn.Conv1d(a, b, self.kernel, self.stride, self.kernel // 2), activation(self.activation))
        ]
        return Encoder(
            Rows(shape),
            nn.Unflatten(1, (steps, size)),
            Turned(),
            *layers,
            nn.Flatten(),
            out_features=self.channels[-1] * self._lengths(steps)[-1],
        )

    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        steps, size = steps_of(shape)
        *lengths, inner = self._lengths(steps)
        first = self.channels[-1]
        layers: list[nn.Module] = [nn.Linear(in_features, first * inner), nn.Unflatten(1, (first, inner))]
        for (a, b), length in zip(pairwise([*self.channels[::-1], size]), reversed(lengths), strict=True):
            convolution = nn.Conv1d(a, b, self.kernel, padding=self.kernel // 2)
            layers += [activation(self.activation), nn.Upsample(length), convolution]
        return nn.Sequential(*layers, Turned(), FromRows(shape))

    def _lengths(self, steps: int) -> list[int]:
        """Steps of the series, and after each layer"""
        found = [steps]
        for _ in self.channels:
            found.append(-(-found[-1] // self.stride))
        return found


class Turned(nn.Module):
    """(B, T, F) -> (B, F, T), and back"""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)
