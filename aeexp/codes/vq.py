"""The vector-quantised code. van den Oord, Vinyals and Kavukcuoglu (2017), Neural discrete representation learning.

    z_q = e_k,    k = argmin_j ||z_e - e_j||,    d z_q / d z_e := I                            (eq. 1, 2)
    L = ... + ||sg[z_e] - e||^2 + beta ||z_e - sg[e]||^2                                       (eq. 3)

The code of D units is D / `width` positions (one, where D is less), each an entry of one codebook of K `codes`, so
it tells D / width log2 K bits. The codebook learns by the second term, or by a moving average of what chose its
entries (appendix A.1). `dead`: an entry that was chosen less often than this a step, by a moving average, becomes a
z_e of the batch; so does every entry at the first step.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from aeexp.codes.base import Bottleneck
from aeexp.errors import UserError
from aeexp.types import Code, EpochStatistic

TINY = 1e-30  # an entry that is never chosen is not moved


class VQ(Bottleneck):
    differentiable = False  # it jumps from entry to entry
    codebook: Tensor  # (K, width)
    used: Tensor  # (K,), how often an entry is chosen a step, a moving average

    def __init__(
        self, in_features: int, dim: int, codes: int, width: int, beta: float, decay: float, dead: float
    ) -> None:
        super().__init__()
        self.symbols, self.symbol_width = codes, min(width, dim)
        if codes < 2 or width < 1 or dim % self.symbol_width:
            raise UserError(
                f"code=vq splits a code into positions of code.width={width} units, each one of code.codes={codes}, "
                f"but bottleneck.dim={dim}: choose at least 2 codes, and a width of at least 1 that divides the dim"
            )
        self.project = nn.Linear(in_features, dim)
        self.beta, self.decay, self.dead = beta, decay, dead
        self.register_buffer("used", torch.zeros(codes))
        self.register_codebook(torch.randn(codes, self.symbol_width))

    @abstractmethod
    def register_codebook(self, entries: Tensor) -> None:
        """Makes `entries` (K, width) the codebook, as a buffer or as a parameter."""

    @abstractmethod
    def learn(self, z_e: Tensor, k: Tensor, n: Tensor) -> Tensor:
        """Vectors (N, width), which entries they chose (N,), how many chose each (K,) -> the cost, (N, width)"""

    def of(self, a: Tensor) -> Code:
        """`mean` is z_q."""
        z_e = a.reshape(-1, self.symbol_width)  # (N, width)
        if self.training:
            self._restart(z_e.detach())
        k = self.nearest(z_e.detach())
        chosen = counts(k.view(a.shape[0], -1), len(self.codebook)).to(z_e)  # (B, K)
        if self.training:
            self.used.mul_(self.decay).add_(chosen.sum(0), alpha=1 - self.decay)
        e = self.codebook[k].detach()
        cost = self.beta * (z_e - e).square() + self.learn(z_e.detach(), k, chosen.sum(0))
        z_q = e.view_as(a) + (a - a.detach())  # exactly e, with the gradient of z_e
        usage = EpochStatistic(chosen * a.shape[0] / k.shape[0], perplexity)
        return Code(z_q, z_q, {"vq": cost.view(a.shape[0], -1).sum(1)}, {"usage": usage})

    @torch.no_grad()
    def nearest(self, z_e: Tensor) -> Tensor:
        """(N, width) -> (N,), the index of the nearest entry, in the precision of the codebook"""
        with torch.autocast(z_e.device.type, enabled=False):
            return (self.codebook.square().sum(1) - 2 * z_e.to(self.codebook) @ self.codebook.T).argmin(1)

    def indices(self, z: Tensor) -> Tensor:
        """Of the entries that are nearest to z, which may be the encoder's z_e."""
        return self.nearest(z.reshape(-1, self.symbol_width)).view(len(z), -1)

    def entries(self, k: Tensor) -> Tensor:
        return self.codebook[k].flatten(1)

    @torch.no_grad()
    def _restart(self, z_e: Tensor) -> None:
        dead = self.used < self.dead
        drawn = z_e[torch.randint(len(z_e), self.used.shape, device=z_e.device)]
        self.codebook.copy_(torch.where(dead[:, None], drawn, self.codebook))
        self.used.masked_fill_(dead, 1.0)


class MovingAverage(VQ):
    """e_i = m_i / N_i,  N_i <- decay N_i + (1 - decay) n_i,  m_i <- decay m_i + (1 - decay) sum of the z_e that chose i

    with n_i their number (appendix A.1); so e_i moves by (1 - decay) (that sum - n_i e_i) / N_i, and is kept alone.
    """

    def register_codebook(self, entries: Tensor) -> None:
        self.register_buffer("codebook", entries)

    @torch.no_grad()
    def learn(self, z_e: Tensor, k: Tensor, n: Tensor) -> Tensor:
        if self.training:
            towards = torch.zeros_like(self.codebook).index_add_(0, k, z_e) - n[:, None] * self.codebook  # (K, width)
            self.codebook.add_(towards / self.used.clamp_min(TINY)[:, None], alpha=1 - self.decay)
        return torch.zeros_like(z_e)


class Gradient(VQ):
    """The codebook is a parameter, which the optimizer moves by ||sg[z_e] - e||^2."""

    def register_codebook(self, entries: Tensor) -> None:
        self.codebook = nn.Parameter(entries)

    def learn(self, z_e: Tensor, k: Tensor, n: Tensor) -> Tensor:
        return (z_e - self.codebook[k]).square()


def counts(k: Tensor, entries: int) -> Tensor:
    """How often each of the entries is chosen in an example: (B, positions) -> (B, entries)"""
    nothing = torch.zeros(k.shape[0], entries, dtype=k.dtype, device=k.device)
    return nothing.scatter_add(1, k, torch.ones_like(k))


def perplexity(usage: Tensor) -> dict[str, Tensor]:
    """How often each of K entries is chosen (K,) -> exp of the entropy, at most K, and how many are chosen at all."""
    return {"perplexity": torch.special.entr(usage).sum().exp(), "codes_used": (usage > 0).sum().float()}
