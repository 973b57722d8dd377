"""A causal transformer over symbols. Vaswani et al. (2017), Attention is all you need; Radford et al. (2018), GPT."""

import torch
from torch import Tensor, nn

from aeexp.errors import UserError


class Causal(nn.Module):
    """(B, n) of the first symbols of a sequence -> logits (B, n + 1, K): of the first, of the second after it, ...

    What is said of a place depends on the `symbols` before it alone. n is less than `places`, the sequence's length.
    Symbols and places start equally small, as in GPT: from PyTorch's N(0, 1) of a symbol, places would be learnt late.
    """

    def __init__(self, symbols: int, places: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        if depth < 1 or heads < 1 or width < 1 or width % heads:
            raise UserError(
                f"a transformer of width={width}, depth={depth} and heads={heads}: choose at least 1 of each, and a "
                "width that is a multiple of the heads"
            )
        self.start = nn.Parameter(0.02 * torch.randn(width))
        self.embedding = nn.Embedding.from_pretrained(0.02 * torch.randn(symbols, width), freeze=False)
        self.places = nn.Parameter(0.02 * torch.randn(places, width))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, symbols))

    def forward(self, k: Tensor) -> Tensor:
        start = self.start.expand(len(k), 1, -1)  # (B, 1, width)
        h = torch.cat([start, self.embedding(k)], dim=1) + self.places[: k.shape[1] + 1]  # (B, n + 1, width)
        later = torch.ones(h.shape[1], h.shape[1], dtype=torch.bool, device=h.device).triu(1)
        for block in self.blocks:
            h = block(h, src_mask=later)
        return self.head(h)
