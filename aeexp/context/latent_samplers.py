"""Latent samplers: where the codes of generated examples come from, a prior or a density that is fitted to codes.

The second is Ghosh, Sajjadi, Vergari, Black and Schölkopf (2020), From variational to
deterministic autoencoders, section 4, ex-post density estimation: after the training, on the mean codes of the training
examples, a mixture of Gaussians with full covariances,

    p(z) = sum_j w_j N(z; m_j, C_j)
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from aeexp.context.base import EvaluationContext
from aeexp.data.examples import BATCH
from aeexp.errors import NotApplicable, UserError
from aeexp.metrics.finite import refuse_not_finite
from aeexp.priors import Prior

TINY = 1e-12  # the least variance, of codes that are all alike


@dataclass(frozen=True)
class LatentSampler:
    prior: Prior
    components: int  # Gaussians that were fitted; 0: the prior is the model's own

    @property
    def name(self) -> str:
        if not self.components:
            return "own prior"
        return "1 Gaussian" if self.components == 1 else f"{self.components} Gaussians"


class DensityEstimator(ABC):
    @abstractmethod
    def fit(self, z: Tensor, positions: torch.Size) -> LatentSampler:
        """Codes (N, D), flat; `positions` is the shape of one, as the decoder reads it."""


class GaussianMixtureDensity(DensityEstimator):
    """By expectation maximisation from k-means. One component is a single Gaussian, the maximum of its likelihood.

    It is fitted to the first `examples`, which a data module has in random order, with at least `per_unit` of them for
    each component and unit of the code: fewer components where these are fewer. `floor`, a fraction of the mean
    variance of the codes, is added to each variance, so that a dead unit has one. Memory: a float64 copy of these
    codes, and D x D for each component.
    """

    def __init__(self, components: int, examples: int, per_unit: int, iterations: int, floor: float, seed: int) -> None:
        if min(components, examples, per_unit, iterations) < 1 or floor < 0:
            raise UserError(
                f"a mixture has components={components}, examples={examples}, per_unit={per_unit}, "
                f"iterations={iterations} and floor={floor}: choose at least 1 of each, and a floor of at least 0"
            )
        self.components, self.examples, self.per_unit = components, examples, per_unit
        self.iterations, self.floor, self.seed = iterations, floor, seed

    def fit(self, z: Tensor, positions: torch.Size) -> LatentSampler:
        refuse_not_finite(z)
        codes = z[: self.examples].double()
        codes = codes.repeat(2, 1) if len(codes) == 1 else codes  # the library wants two, and these have its moments
        components = max(1, min(self.components, len(codes) // (self.per_unit * codes.shape[1])))
        floor = self.floor * codes.var(0, correction=0).mean().item() + TINY
        mixture = GaussianMixture(components, reg_covar=floor, max_iter=self.iterations, random_state=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # after `iterations`, it is good enough to draw from
            mixture.fit(codes.numpy())
        w, m, C = (torch.as_tensor(a) for a in (mixture.weights_, mixture.means_, mixture.covariances_))
        normals = MultivariateNormal(m, scale_tril=torch.linalg.cholesky(C))
        return LatentSampler(Fitted(MixtureSameFamily(Categorical(w), normals), positions), components)


class Fitted(Prior):
    """A distribution over flat codes (D,), float64, as a prior over codes of shape `positions`, float32."""

    def __init__(self, density: torch.distributions.Distribution, positions: torch.Size) -> None:
        super().__init__()
        self.density, self.positions = density, positions

    def sample(self, n: int) -> Tensor:
        return self.density.sample(torch.Size([n])).float().unflatten(1, self.positions)

    def log_prob(self, z: Tensor) -> Tensor:
        return self.density.log_prob(z.flatten(1).double())


def latent_samplers(context: EvaluationContext, density: DensityEstimator) -> dict[str, LatentSampler]:
    """By the suffix of its metrics: the density, fitted to the training codes, "", and the model's prior, "_prior".

    Without the second for a model that has no prior, without the first for one that has no codes. NotApplicable where
    the model has neither.
    """
    own = {"_prior": LatentSampler(context.model.prior, 0)} if _can_be_sampled(context.model.prior) else {}
    try:
        return {"": density.fit(context.codes(context.data.train), context.code_shape), **own}
    except NotApplicable:
        if not own:
            raise
        return own


def generated(context: EvaluationContext, prior: Prior, y: Tensor) -> Iterator[Tensor]:
    """Blocks (at most BATCH, *shape): an example for each of the labels (N,), which unconditional models ignore.

    Values outside data.limits, [0, scale] of most data, are clipped. Draws from the global generator.
    """
    for labels in y.split(BATCH):
        with torch.no_grad():
            yield context.model.generate(prior.sample(len(labels)), labels).clamp(*context.data.limits)


def _can_be_sampled(prior: Prior) -> bool:
    with torch.random.fork_rng(devices=[]):
        try:
            prior.sample(1)
        except NotApplicable:
            return False
    return True
