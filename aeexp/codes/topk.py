"""Exactly k active units. Makhzani and Frey (2014), k-sparse autoencoders, section 2.1; Gao et al. (2024), eq. 2.

z = TopK(W h + b):  the k largest pre-activations of each code stay as they are, the others are 0
"""

import torch
from torch import Tensor, nn

from aeexp.codes.activity import activity
from aeexp.codes.base import Bottleneck
from aeexp.errors import UserError
from aeexp.types import Code


class TopK(Bottleneck):
    k: int

    def __init__(self, in_features: int, dim: int, k: int) -> None:
        super().__init__()
        if not 1 <= k <= dim:
            raise UserError(f"code=topk keeps code.k={k} of bottleneck.dim={dim} units: choose a k from 1 to {dim}")
        self.project = nn.Linear(in_features, dim)
        self.k = k

    def of(self, a: Tensor) -> Code:
        kept = largest(a, self.k)
        z = a * kept
        return Code(z, z, stats=activity(kept))


def largest(a: Tensor, k: int) -> Tensor:
    """Where the k largest of each row are: (..., D) -> (..., D), True at exactly k, also where some are equal."""
    return torch.zeros_like(a, dtype=torch.bool).scatter(-1, a.topk(k, sorted=False).indices, True)
