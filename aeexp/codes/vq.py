"""Vector-quantised codes. van den Oord, Vinyals and Kavukcuoglu (2017), Neural discrete representation learning.

    z_q = e_k,    k = argmin_j ||z_e - e_j||,    d z_q / d z_e := I                            (eq. 1, 2)
    L = ... + what the codebook costs                                                          (eq. 3)

The D units of a position are D / `width` vectors (one, where D is less). VQ has one codebook for all of them, Product
one for each: Jegou, Douze and Schmid (2011), Product quantization for nearest neighbor search, eq. 8. With a `depth`
beyond 1 it is so many in a row, each of which quantises what the ones before left over: Lee et al. (2022),
Autoregressive image generation using residual quantization, eq. 3,

    r_0 = z_e,    k_d = argmin_j ||r_{d-1} - e^d_j||,    r_d = r_{d-1} - e^d_{k_d},    z_q = sum_d e^d_{k_d}

A symbol, the index of an entry, tells at most log2 K bits. How entries learn is the codebook's: codebooks.py.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from aeexp.codes.base import Bottleneck
from aeexp.codes.codebooks import Codebook, perplexity
from aeexp.errors import UserError
from aeexp.types import Code, EpochStatistic


class Quantized(Bottleneck):
    differentiable = False  # it jumps from entry to entry

    def __init__(
        self,
        in_features: int,
        dim: int,
        codes: int,
        width: int,
        depth: int,
        codebook: Callable[..., Codebook],
        beta: float,
        decay: float,
        dead: float,
    ) -> None:
        super().__init__()
        self.width = min(width, dim)
        if width < 1 or depth < 1 or dim % self.width:
            raise UserError(
                f"a vector-quantised code splits its units into vectors of code.width={width}, quantised code.depth="
                f"{depth} times, but bottleneck.dim={dim}: choose at least 1 of each, and a width that divides the dim"
            )
        self.project, self.codebook_size, vectors = nn.Linear(in_features, dim), codes, dim // self.width
        self.per_position, self.depth = vectors * depth, depth
        self.codebooks = nn.ModuleList(
            codebook(codes=codes, width=self.width, beta=beta, decay=decay, dead=dead)
            for _ in range(self.groups(vectors) * depth)
        )
        if depth > 1 and not all(book.additive for book in self.codebooks):
            raise UserError(
                f"code.depth={depth} quantises what is left over, which vectors of length 1 do not leave: choose "
                "code.depth=1, or code=vq_residual"
            )

    @abstractmethod
    def groups(self, vectors: int) -> int:
        """How many of the vectors of a position have a codebook of their own."""

    def of(self, a: Tensor) -> Code:
        """`mean` is z_q."""
        z_q, costs, usages = [], [], []
        for books, v in self._split(a):
            r, total = v, torch.zeros_like(v)
            for book in books:
                e, cost, chosen = book(r)
                r, total = r - e, total + e
                costs.append(cost)
                usages.append(chosen / v.shape[1])
            z_q.append(total + (v - v.detach()))  # exactly e, with the gradient of z_e
        joined = torch.stack(z_q, 2).view_as(a)
        return Code(joined, joined, {"vq": sum(costs)}, {"usage": EpochStatistic(torch.stack(usages, 1), perplexity)})

    def symbols(self, z: Tensor) -> Tensor:
        """The indices of the nearest entries, of which a position has vectors x depth in a row."""
        found = []
        for books, v in self._split(z):
            r, k = v.flatten(0, 1), []
            for book in books:
                k.append(book.nearest(r))
                r = r - book.entries[k[-1]]
            found.append(torch.stack(k, 1).unflatten(0, v.shape[:2]))  # (B, S, depth)
        return torch.stack(found, 2).flatten(1)

    def entries(self, k: Tensor) -> Tensor:
        rows = self._rows()
        k = k.unflatten(1, (-1, len(rows), self.depth))
        vectors = [torch.stack([b.entries[k[:, :, g, d]] for d, b in enumerate(row)]) for g, row in enumerate(rows)]
        return torch.stack(vectors, 3).sum(0).flatten(1)

    def _split(self, a: Tensor) -> Iterator[tuple[list[Codebook], Tensor]]:
        """The codebooks of each group, and its vectors, as they lie among the entries, (B, S, width)."""
        rows = self._rows()
        for row, v in zip(rows, a.reshape(a.shape[0], -1, len(rows), self.width).unbind(2), strict=True):
            yield row, row[0].placed(v)

    def _rows(self) -> list[list[Codebook]]:
        """The codebooks of each group, `depth` in a row."""
        books = cast(list[Codebook], [*self.codebooks])
        return [books[i : i + self.depth] for i in range(0, len(books), self.depth)]


class VQ(Quantized):
    def groups(self, vectors: int) -> int:
        return 1


class Product(Quantized):
    def groups(self, vectors: int) -> int:
        return vectors
