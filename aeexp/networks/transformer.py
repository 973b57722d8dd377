"""A causal transformer over symbols. Vaswani et al. (2017), Attention is all you need; Radford et al. (2018), GPT."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, scaled_dot_product_attention

from aeexp.errors import UserError

Past = tuple[Tensor, Tensor]  # keys and values of a block, (B, heads, n, width / heads) each


class Causal(nn.Module):
    """(B, n) of the first symbols of a sequence -> logits (B, n + 1, K): of the first, of the second after it, ...

    What is said of a place depends on the `symbols` before it alone. n is less than `places`, the sequence's length.
    Symbols and places start equally small, as in GPT: from PyTorch's N(0, 1) of a symbol, places would be learnt late.
    """

    def __init__(self, symbols: int, places: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.start = nn.Parameter(small(width))
        self.embedding = nn.Embedding.from_pretrained(small(symbols, width), freeze=False)
        self.places = nn.Parameter(small(places, width))
        self.blocks = blocks(width, depth, heads)
        self.head = head(width, symbols)

    def forward(self, k: Tensor) -> Tensor:
        start = self.start.expand(len(k), 1, -1)  # (B, 1, width)
        h = torch.cat([start, self.embedding(k)], dim=1) + self.places[: k.shape[1] + 1]  # (B, n + 1, width)
        return self.head(causal(self.blocks, h))

    def following(self, k: Tensor | None, past: list[Past]) -> Tensor:
        """Logits (B, K) of the symbol after k (B,), or of the first, (1, K), where it is None.

        `past`, empty at first, keeps the keys and values of what came before, so that each place is computed once.
        """
        place = past[0][0].shape[2] if past else 0
        h = (self.start if k is None else self.embedding(k)) + self.places[place]
        return self.head(following(self.blocks, h.view(-1, 1, h.shape[-1]), past))[:, 0]


def small(*shape: int) -> Tensor:
    """Where symbols and places start, as in GPT"""
    return 0.02 * torch.randn(*shape)


def head(width: int, out: int) -> nn.Module:
    """(..., width) -> (..., out)"""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, out))


def block(width: int, heads: int) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )


def blocks(width: int, depth: int, heads: int) -> nn.ModuleList:
    """UserError where the heads do not divide the width."""
    if depth < 1 or heads < 1 or width < 1 or width % heads:
        raise UserError(
            f"a transformer of width={width}, depth={depth} and heads={heads}: choose at least 1 of each, and a "
            "width that is a multiple of the heads"
        )
    return nn.ModuleList(block(width, heads) for _ in range(depth))


def causal(blocks: nn.ModuleList, h: Tensor) -> Tensor:
    """(B, n, width) -> the same, each place by those up to it"""
    later = torch.ones(h.shape[1], h.shape[1], dtype=torch.bool, device=h.device).triu(1)
    for block in blocks:
        h = block(h, src_mask=later)
    return h


def following(blocks: nn.ModuleList, h: Tensor, past: list[Past]) -> Tensor:
    """What `causal` gives of one more place (B, 1, width), by what `past` keeps of those before it, and keeps of it."""
    first = not past
    for i, block in enumerate(blocks):
        h, seen = _after(cast(nn.TransformerEncoderLayer, block), h, None if first else past[i])
        past[i : i + 1] = [seen]
    return h


def _after(block: nn.TransformerEncoderLayer, h: Tensor, past: Past | None) -> tuple[Tensor, Past]:
    """What a block of torch makes of one more place (B, 1, width) after those of `past`, and what to keep of both."""
    attention = block.self_attn
    queries_keys_values = linear(block.norm1(h), attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=2)
    query, key, value = (each.unflatten(2, (attention.num_heads, -1)).transpose(1, 2) for each in queries_keys_values)
    if past:
        key, value = (
            torch.cat([before.expand(len(h), -1, -1, -1), each], 2)
            for before, each in zip(past, (key, value), strict=True)
        )
    read = scaled_dot_product_attention(query, key, value)  # (B, heads, 1, width / heads)
    h = h + attention.out_proj(read.transpose(1, 2).flatten(2))
    return h + block.linear2(gelu(block.linear1(block.norm2(h)))), (key, value)
