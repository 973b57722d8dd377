"""Vector-quantised autoencoder with a prior over its codes, so that it generates in two stages.

    J = -log p(x | z_q) + VQ costs - log p(k_1, ..., k_P),    log p(k) = sum_i log p(k_i | k_1, ..., k_{i-1})

van den Oord, Vinyals and Kavukcuoglu (2017), Neural discrete representation learning, section 3.3, fit the prior over
the codebook indices k of an image once the autoencoder is trained; here it is a transformer over the P positions of
the code, as in Ramesh et al. (2021), Zero-shot text-to-image generation, section 2.2, without their text. To generate,
draw k from the prior, and decode its entries.

The indices are constants, so each player's gradient of the one J is its own. `stage` 1 trains the autoencoder alone, 2
the prior alone while nothing of the autoencoder moves (schedule=two_stages); 0 both in one step, the prior after codes
that move. In eval mode the objective is always J: with a uniform prior it would end in P log K. The statistic
`prior_per_position` is -log p(k) / P, in nats.
"""

from abc import abstractmethod
from collections.abc import Callable
from math import prod

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from aeexp.codes.base import Bottleneck
from aeexp.errors import UserError
from aeexp.models.base import Components
from aeexp.models.regularized import Regularized
from aeexp.networks.transformer import Causal, Past
from aeexp.priors import Prior
from aeexp.types import Batch, Loss


class SecondStage(Regularized):
    """An autoencoder, and what is trained on its codes."""

    stages = ("autoencoder", "prior")

    def loss(self, batch: Batch) -> Loss:
        stage = self.stage if self.training else 0
        first = Loss({}) if stage == 2 else super().loss(batch)
        return first if stage == 1 else Loss({**first.terms, **self.second(batch)}, first.stats)

    @abstractmethod
    def second(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the second stage, through which no gradient reaches the first."""

    def constant(self, x: Tensor) -> Tensor:
        """The codes that the autoencoder gives to x, (B, *positions, D)"""
        training = self.code.training
        self.code.eval()  # a codebook does not learn from the batches of the prior
        with torch.no_grad():
            z = self.code(self.encoder(x)).mean
        self.code.train(training)
        return z


class VQPrior(SecondStage):
    def __init__(self, components: Components, transformer: Callable[..., Causal]) -> None:
        super().__init__(components)
        if self.code.codebook_size is None:
            raise UserError(
                f"model=vq_prior has a prior over the symbols of a codebook, but the code {type(self.code).__name__} "
                "has none: choose code=vq, code=fsq or code=lfq, or model=latent_flow"
            )
        prior = Autoregressive(self.code, (*self.encoder.positions, components.dim), transformer)
        prior.apply(components.initialization)
        self.prior, self.length = prior, prior.length

    def loss(self, batch: Batch) -> Loss:
        loss = super().loss(batch)
        prior = loss.terms.get("prior")
        return loss if prior is None else Loss(loss.terms, {**loss.stats, "prior_per_position": prior / self.length})

    def second(self, batch: Batch) -> dict[str, Tensor]:
        return {"prior": -self.prior.log_prob(self.constant(batch.x))}


class Autoregressive(Prior):
    """p(k) over the symbols of codes (*positions, D) in a row; log_prob reads a code as the entries nearest to it."""

    def __init__(self, code: Bottleneck, shape: tuple[int, ...], transformer: Callable[..., Causal]) -> None:
        super().__init__()
        self.indices, self.entries = code.symbols, code.entries  # the codebook stays the code's own
        self.shape, self.length = shape, prod(shape[:-1]) * code.per_position
        self.logits = transformer(symbols=code.codebook_size, places=self.length)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        k, past = list[Tensor](), list[Past]()
        for _ in range(self.length):
            logits = self.logits.following(k[-1] if k else None, past).expand(n, -1)
            k.append(logits.softmax(1).multinomial(1)[:, 0])
        return self.entries(torch.stack(k, 1)).unflatten(1, self.shape)

    def log_prob(self, z: Tensor) -> Tensor:
        k = self.indices(z)  # (B, P)
        return -cross_entropy(self.logits(k[:, :-1]).transpose(1, 2), k, reduction="none").sum(1)
