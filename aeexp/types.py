"""The records that travel from room to room."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import cross_entropy


class Batch(NamedTuple):
    x: Tensor  # (B, *shape), in [0, data.scale]
    y: Tensor  # (B,) int64; -1 where unlabelled

    def label_nll(self, logits: Tensor) -> Tensor:
        """-log q(y | x) of logits (B, classes), 0 where there is no label: (B,), whose mean over the batch is that over
        the labelled examples."""
        labelled = (self.y >= 0).sum().clamp_min(1)
        nll = cross_entropy(logits, self.y, ignore_index=-1, reduction="none")
        return nll * (self.y.shape[0] / labelled)


@dataclass(frozen=True)
class EpochStatistic:
    """A statistic of a whole epoch, such as the number of dead units: a function of means over all its examples."""

    per_example: Tensor  # (B, *K)
    summarize: Callable[[Tensor], dict[str, Tensor]]  # the mean (*K) -> numbers (), or a histogram's values (D,)


@dataclass(frozen=True)
class Code:
    """The latent code of a batch; channel-last, so that vectors, feature maps and tokens share one bottleneck."""

    z: Tensor  # (B, *positions, D), what the decoder reads; may be a sample
    mean: Tensor  # (B, *positions, D), the deterministic representation, which every evaluation reads
    terms: dict[str, Tensor] = field(default_factory=dict)  # what the code costs: weighted, nats, (B,) or ()
    stats: dict[str, Tensor | EpochStatistic] = field(default_factory=dict)  # logged, never minimised, (B,) or ()


@dataclass(frozen=True)
class Loss:
    """Named terms in nats per example, each (B,) or (); their sum over names, averaged over B, is minimised."""

    terms: dict[str, Tensor]
    stats: dict[str, Tensor | EpochStatistic] = field(default_factory=dict)

    @cached_property
    def means(self) -> dict[str, Tensor]:
        """Each term averaged over the batch: the only reduction in the project."""
        return {name: term.mean() for name, term in self.terms.items()}

    @property
    def total(self) -> Tensor:
        return sum(list(self.means.values())[1:], start=next(iter(self.means.values())))
