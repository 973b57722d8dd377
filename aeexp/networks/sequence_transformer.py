"""Transformer over the steps of a sequence. Vaswani et al. (2017), Attention is all you need.

    h = E x + p,  features: the mean of the last block's h over the steps;    theta = V block(U z + p)

Each step attends to every other. Conditioned, which `autoregressive` makes, to those before it alone, and theta_t = V
block(E x_<t + U z + p)_t. A sequence (T, F) may be shorter than T: steps of zeros alone at its end are attended by
none, and are not in the mean.
"""

from typing import Any

import torch
from torch import Tensor, nn

from aeexp.networks.base import Autoregressive, Encoder, Network
from aeexp.networks.steps import FromRows, Rows, Stepwise, beyond_end, steps_of
from aeexp.networks.transformer import Past, blocks, causal, following, head, small


class Transformer(Network):
    """`depth` blocks of `width` units and `heads` in the encoder, and in the decoder. A step is a row of an image, the
    F numbers of a series (T, F), or `frame` numbers of one (T,)."""

    twice_differentiable = False  # fused attention has no second derivative

    def __init__(self, width: int, depth: int, heads: int, frame: int) -> None:
        self.size, self.width, self.frame = (width, depth, heads), width, frame

    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        steps = steps_of(shape, self.frame)
        read = Read(self.size, steps, padded=len(shape) == 2)
        return Encoder(Rows(shape), nn.Unflatten(1, steps), read, out_features=self.width)

    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        return nn.Sequential(Written(self.size, in_features, steps_of(shape, self.frame)), FromRows(shape))

    def autoregressive(self, in_features: int, shape: tuple[int, ...]) -> Autoregressive:
        return Conditioned(self.size, in_features, shape, steps_of(shape, self.frame))


class Read(nn.Module):
    """(B, T, F) -> (B, width); `padded`: without the zeros at a sequence's end."""

    def __init__(self, size: tuple[int, int, int], steps: tuple[int, int], padded: bool) -> None:
        super().__init__()
        self.enter, self.places = nn.Linear(steps[1], size[0]), nn.Parameter(small(steps[0], size[0]))
        self.blocks, self.norm, self.padded = blocks(*size), nn.LayerNorm(size[0]), padded

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x) + self.places
        left_out = beyond_end(x) if self.padded else torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
        left_out = torch.cat([torch.zeros_like(left_out[:, :1]), left_out[:, 1:]], 1)  # nothing at all is one step
        for block in self.blocks:
            h = block(h, src_key_padding_mask=left_out)
        kept = ~left_out[..., None]
        return (self.norm(h) * kept).sum(1) / kept.sum(1)


class Written(nn.Module):
    """(B, D) -> (B, T, F)"""

    def __init__(self, size: tuple[int, int, int], dim: int, steps: tuple[int, int]) -> None:
        super().__init__()
        self.enter, self.places = nn.Linear(dim, size[0]), nn.Parameter(small(steps[0], size[0]))
        self.blocks, self.head = blocks(*size), head(size[0], steps[1])

    def forward(self, z: Tensor) -> Tensor:
        h = self.enter(z)[:, None] + self.places
        for block in self.blocks:
            h = block(h)
        return self.head(h)


class Conditioned(Stepwise):
    def __init__(self, size: tuple[int, int, int], dim: int, shape: tuple[int, ...], steps: tuple[int, int]) -> None:
        super().__init__(shape, steps)
        self.enter, self.read = nn.Linear(dim, size[0]), nn.Linear(steps[1], size[0])
        self.places = nn.Parameter(small(steps[0], size[0]))
        self.blocks, self.head = blocks(*size), head(size[0], steps[1])

    def of_all(self, z: Tensor, before: Tensor) -> Tensor:
        h = self.read(before) + self.enter(z)[:, None] + self.places
        return self.head(causal(self.blocks, h))

    def of_next(self, z: Tensor, before: Tensor, state: Any) -> tuple[Tensor, Any]:
        past: list[Past] = state or []
        place = past[0][0].shape[2] if past else 0
        h = self.read(before) + self.enter(z)[:, None] + self.places[place]
        return self.head(following(self.blocks, h, past)), past
