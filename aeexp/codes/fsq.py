"""Finite scalar quantisation. Mentzer, Minnen, Agustsson and Tschannen (2023), FSQ: VQ-VAE made simple, section 3.1.

    z_i = round(f_i(a_i)) / floor(L_i / 2),    d round(u) / d u := 1
    f_i(a) = h_i tanh(a + atanh(o_i / h_i)) - o_i
    h_i = (1 + epsilon) (L_i - 1) / 2,    o_i = 1/2 for even L_i, else 0

so that unit i takes one of L_i `levels`, which lie evenly in [-1, 1]. Units in a row, one for each of `levels`, are a
symbol: an entry of a codebook of prod L_i, in mixed radix, which is not learned, so that it does not collapse and
nothing is added to the loss. A code of D units has D / len(levels) symbols.
"""

from math import prod

import torch
from torch import Tensor, nn

from aeexp.codes.base import Bottleneck
from aeexp.codes.binary import straight_through
from aeexp.codes.codebooks import counts, perplexity
from aeexp.errors import UserError
from aeexp.types import Code, EpochStatistic

EPSILON = 1e-3  # so that the outer levels are reached
MOST = 1000  # levels, for which epsilon adds no level


class FSQ(Bottleneck):
    differentiable = False  # it jumps from level to level
    codebook_size: int
    levels: Tensor  # L_i of one symbol, (width,)
    height: Tensor  # h_i
    offset: Tensor  # o_i
    scale: Tensor  # floor(L_i / 2)
    radix: Tensor  # what a step of level i adds to the index of a symbol

    def __init__(self, in_features: int, dim: int, levels: list[int]) -> None:
        super().__init__()
        used = levels[:dim]
        if not used or not 2 <= min(used) <= max(used) <= MOST or dim % len(used):
            raise UserError(
                f"code=fsq splits a code into symbols of one unit for each of code.levels={levels}, but bottleneck.dim="
                f"{dim}: choose levels from 2 to {MOST}, as many as divide the dim"
            )
        self.codebook_size, self.width, self.per_position = prod(used), len(used), dim // len(used)
        self.project = nn.Linear(in_features, dim)
        of = torch.tensor(used)
        self.register_buffer("levels", of)
        self.register_buffer("height", (1 + EPSILON) * (of - 1) / 2)
        self.register_buffer("offset", (of + 1) % 2 / 2)
        self.register_buffer("scale", of // 2)
        self.register_buffer("radix", torch.cat([torch.ones_like(of[:1]), of[:-1].cumprod(0)]))

    def of(self, a: Tensor) -> Code:
        bounded = self.height * (self._split(a) + (self.offset / self.height).atanh()).tanh() - self.offset
        z = (straight_through(bounded.round(), bounded) / self.scale).view_as(a)
        chosen = counts(self.symbols(z.detach()), self.codebook_size)
        usage = EpochStatistic(chosen.to(z) * self.width / a[0].numel(), perplexity)
        return Code(z, z, stats={"usage": usage})

    def symbols(self, z: Tensor) -> Tensor:
        """Of the entries that are nearest to z."""
        steps = (self._split(z) * self.scale).round().long() + self.scale
        return (steps.clamp_min(0).minimum(self.levels - 1) * self.radix).sum(-1).flatten(1)

    def entries(self, k: Tensor) -> Tensor:
        steps = k[..., None] // self.radix % self.levels
        return ((steps - self.scale) / self.scale).flatten(-2)

    def _split(self, z: Tensor) -> Tensor:
        """(B, *positions, D) -> (B, *positions, D / width, width)"""
        return z.unflatten(-1, (-1, self.width))
