"""Codebooks: K entries, of which a vector becomes the nearest, and how they learn.

    e = e_k,    k = argmin_j ||v - e_j||,    cost beta ||v - sg[e]||^2                         (commitment)

MovingAverage   e_i is a moving average of the v that chose it: van den Oord et al. (2017), appendix A.1
Gradient        the cost has ||sg[v] - e||^2 as well, by which the optimizer moves the entries: their eq. 3
Spherical       as MovingAverage, of vectors and entries of length 1, so that the nearest is that of the least angle:
                Yu et al. (2022), Vector-quantized image modeling with improved VQGAN, section 3.1

`dead`: an entry that was chosen less often than this a step, by a moving average, becomes a vector of the batch; so
does every entry at the first step.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from aeexp.errors import UserError

TINY = 1e-30  # an entry that is never chosen is not moved


class Codebook(nn.Module, ABC):
    entries: Tensor  # (K, W)
    used: Tensor  # (K,), how often an entry is chosen a step, a moving average
    additive: bool = True  # whether a vector can be a sum of entries

    def __init__(self, codes: int, width: int, beta: float, decay: float, dead: float) -> None:
        super().__init__()
        if codes < 2:
            raise UserError(f"code.codes={codes} are the entries of a codebook: choose at least 2")
        self.beta, self.decay, self.dead = beta, decay, dead
        self.register_buffer("used", torch.zeros(codes))
        self.register_entries(self.placed(torch.randn(codes, width)))

    @abstractmethod
    def register_entries(self, entries: Tensor) -> None:
        """Makes `entries` (K, W) a buffer or a parameter."""

    @abstractmethod
    def placed(self, v: Tensor) -> Tensor:
        """Where vectors (..., W) lie among the entries."""

    @abstractmethod
    def learn(self, v: Tensor, k: Tensor, n: Tensor) -> Tensor:
        """Vectors (N, W), which entries they chose (N,), how many chose each (K,) -> the cost, (N, W)"""

    def forward(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """S vectors of each example, as they are placed, (B, S, W) -> their entries, as constants, the cost (B,), and
        how many of an example chose each entry, (B, K)."""
        flat = v.flatten(0, 1)
        if self.training:
            self.restart(flat.detach())
        k = self.nearest(flat.detach())
        chosen = counts(k.view(v.shape[:2]), len(self.entries)).to(v)
        n = chosen.sum(0)
        if self.training:
            self.used.mul_(self.decay).add_(n, alpha=1 - self.decay)
        e = self.entries[k].detach()
        cost = self.beta * (flat - e).square() + self.learn(flat.detach(), k, n)
        return e.view_as(v), cost.view(v.shape[0], -1).sum(1), chosen

    @torch.no_grad()
    def nearest(self, v: Tensor) -> Tensor:
        """(N, W) -> (N,), the index of the nearest entry, in the precision of the codebook"""
        with torch.autocast(v.device.type, enabled=False):
            return (self.entries.square().sum(1) - 2 * v.to(self.entries) @ self.entries.T).argmin(1)

    @torch.no_grad()
    def restart(self, v: Tensor) -> None:
        dead = self.used < self.dead
        drawn = v[torch.randint(len(v), self.used.shape, device=v.device)]
        self.entries.copy_(torch.where(dead[:, None], drawn, self.entries))
        self.used.masked_fill_(dead, 1.0)

    @torch.no_grad()
    def average(self, v: Tensor, k: Tensor, n: Tensor) -> None:
        """e_i = m_i / N_i,  N_i <- decay N_i + (1 - decay) n_i,  m_i <- decay m_i + (1 - decay) sum of the v of entry i

        so e_i moves by (1 - decay) (that sum - n_i e_i) / N_i, and is kept alone.
        """
        towards = torch.zeros_like(self.entries).index_add_(0, k, v) - n[:, None] * self.entries  # (K, W)
        self.entries.add_(towards / self.used.clamp_min(TINY)[:, None], alpha=1 - self.decay)


class Euclidean(Codebook):
    def placed(self, v: Tensor) -> Tensor:
        return v


class MovingAverage(Euclidean):
    def register_entries(self, entries: Tensor) -> None:
        self.register_buffer("entries", entries)

    def learn(self, v: Tensor, k: Tensor, n: Tensor) -> Tensor:
        if self.training:
            self.average(v, k, n)
        return torch.zeros_like(v)


class Gradient(Euclidean):
    def register_entries(self, entries: Tensor) -> None:
        self.entries = nn.Parameter(entries)

    def learn(self, v: Tensor, k: Tensor, n: Tensor) -> Tensor:
        return (v - self.entries[k]).square()


class Spherical(Codebook):
    additive = False

    def register_entries(self, entries: Tensor) -> None:
        self.register_buffer("entries", entries)

    def placed(self, v: Tensor) -> Tensor:
        return normalize(v, dim=-1)

    def learn(self, v: Tensor, k: Tensor, n: Tensor) -> Tensor:
        if self.training:
            self.average(v, k, n)
            self.entries.copy_(self.placed(self.entries))
        return torch.zeros_like(v)


def counts(k: Tensor, entries: int) -> Tensor:
    """How often each of the entries is chosen in an example: (B, S) -> (B, entries)"""
    nothing = torch.zeros(k.shape[0], entries, dtype=k.dtype, device=k.device)
    return nothing.scatter_add(1, k, torch.ones_like(k))


def perplexity(usage: Tensor) -> dict[str, Tensor]:
    """How often each of K entries is chosen, (K,) or (codebooks, K) -> exp of the entropy, at most K, and how many are
    chosen at all: of a codebook, the mean over several."""
    perplexities, used = torch.special.entr(usage).sum(-1).exp(), (usage > 0).sum(-1).float()
    return {"perplexity": perplexities.mean(), "codes_used": used.mean()}
