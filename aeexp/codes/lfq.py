"""Lookup-free quantisation. Yu et al. (2023), Language model beats diffusion (MAGVIT-v2), section 3.1.

    z = sign(a),    d z / d a := 1,    k = sum_i 2^i 1[a_i > 0]                                (eq. 3, 4)
    L = ... + weight (E H(q(c | a)) - H(E q(c | a))) + beta ||a - sg[z]||^2                    (eq. 5)

`width` units are a symbol, an entry c of the codebook {-1, 1}^width, which nobody learns. The entropies are of

    q(c | a) = prod_i sigmoid(4 a_i c_i / temperature), in proportion to exp(-||a - c||^2 / temperature)

in nats, so that a symbol is told surely (the first), and all symbols are used alike (the second); E is over all
symbols of a batch.
"""

import torch
from torch import Tensor, nn

from aeexp.codes.base import Bottleneck
from aeexp.codes.binary import straight_through
from aeexp.codes.codebooks import counts, perplexity
from aeexp.errors import UserError
from aeexp.types import Code, EpochStatistic

TINY = 1e-30  # the least probability whose logarithm is taken: 0 has no derivative
WIDEST = 16  # bits of a symbol, for whose 2^16 entries there is memory


class LFQ(Bottleneck):
    differentiable = False  # it jumps from corner to corner
    codebook_size: int
    corners: Tensor  # (2^width, width)

    def __init__(self, in_features: int, dim: int, width: int, weight: float, beta: float, temperature: float) -> None:
        super().__init__()
        self.width = min(width, dim)
        if not 1 <= width <= WIDEST or dim % self.width or temperature <= 0:
            raise UserError(
                f"code=lfq has symbols of code.width={width} bits at code.temperature={temperature}, of bottleneck.dim="
                f"{dim} in all: choose a width from 1 to {WIDEST} that divides the dim, and a temperature above 0"
            )
        self.project, self.codebook_size = nn.Linear(in_features, dim), 2**self.width
        self.per_position = dim // self.width
        self.weight, self.beta, self.temperature = weight, beta, temperature
        bits = torch.arange(self.codebook_size)[:, None] >> torch.arange(self.width) & 1
        self.register_buffer("corners", 2.0 * bits - 1, persistent=False)

    def of(self, a: Tensor) -> Code:
        z = straight_through(torch.where(a > 0, 1.0, -1.0), a)
        commitment = (a - z.detach()).square().flatten(1).sum(1)
        logits = a.reshape(-1, self.width) @ self.corners.T * (2 / self.temperature)
        log_q = logits.log_softmax(1)  # (N, 2^width)
        mean = log_q.exp().mean(0)
        sure = -(log_q.exp() * log_q).sum(1).view(a.shape[0], -1)  # (B, S)
        even = -(mean * mean.clamp_min(TINY).log()).sum()
        terms = {"entropy": self.weight * (sure - even).sum(1), "commitment": self.beta * commitment}
        chosen = counts(self.symbols(z.detach()), self.codebook_size)
        return Code(z, z, terms, {"usage": EpochStatistic(chosen.to(z) / sure.shape[1], perplexity)})

    def symbols(self, z: Tensor) -> Tensor:
        bits = (z.reshape(z.shape[0], -1, self.width) > 0).long()
        return (bits << torch.arange(self.width, device=z.device)).sum(2)

    def entries(self, k: Tensor) -> Tensor:
        return self.corners[k].flatten(1)
