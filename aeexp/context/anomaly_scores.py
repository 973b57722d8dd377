"""Anomaly scores: one number for each example, larger for the more anomalous.

Of the model, where z is the mean code:

    squared_error   ||x - x^||^2
    nats            -log p(x | z), the term `recon` of the model's own objective
    elbo            -E_q [log p(x | z) + log p(z) - log q(z | x)], the negative evidence lower bound, over samples of
                    q(z | x), of models that have it: log p(x | z) and the KL divergence, without weights such as beta.
                    An and Cho (2015) score by its first term alone
    code_density    (z - m)^T C^-1 (z - m), the squared Mahalanobis distance to the codes of the training examples; it
                    orders as the density of a Gaussian does that is fitted to them. C is the full covariance, shrunk
                    by Ledoit and Wolf (2004), so that it has an inverse where a unit is constant too

Of baselines on the pixels alone:

    pca               the squared error of principal components. Hotelling (1933)
    mean              ||x - mean||, the distance to the mean image
    norm              ||x||, the brightness. An AUROC below 0.5 says that the anomalies are darker: the score with the
                      other sign has 1 - AUROC
    isolation_forest  how few random cuts set x apart. Liu, Ting and Zhou (2008), eq. 2
    local_outlier_factor   how much thinner the data are around x than around its nearest neighbours. Breunig, Kriegel,
                      Ng and Sander (2000), LOF, definition 7
"""

from collections.abc import Callable

import numpy as np
import torch
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from torch import Tensor

from aeexp.context.base import EvaluationContext
from aeexp.data.examples import BATCH, Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.types import Batch

Score = Callable[[Examples], np.ndarray]  # of N examples -> (N,) float64


def model_scores(context: EvaluationContext, samples: int, seed: int) -> dict[str, Score]:
    """The scores of the model, the ELBO by `samples` of each code; a model without a code has no code_density.

    NotApplicable where codes are not finite.
    """
    errors: dict[str, Score] = {
        "squared_error": lambda part: context.errors(part).squared.numpy(),
        "nats": lambda part: context.errors(part).nats.numpy(),
    }
    try:
        context.model.posterior(context.data.test[torch.tensor([0])].x)
        errors["elbo"] = lambda part: negative_elbo(context, part, samples, seed).numpy()
    except NotApplicable:
        pass
    try:
        codes = context.codes(context.data.train)
    except NotApplicable:
        return errors
    if not codes.isfinite().all():
        raise diverged()
    distance = mahalanobis(codes)
    return {**errors, "code_density": lambda part: distance(context.codes(part)).numpy()}


def negative_elbo(context: EvaluationContext, part: Examples, samples: int, seed: int) -> Tensor:
    """-ELBO of each example, nats, the mean over `samples` codes: (N,) float64"""
    model, generator = context.model, torch.Generator().manual_seed(seed)

    def of_batch(batch: Batch) -> Tensor:
        z, log_q = model.posterior(batch.x, batch.y).sample(samples, generator)
        log_p = [model.log_likelihood(batch.x, each, batch.y) + model.prior.log_prob(each) for each in z]
        return (log_q - torch.stack(log_p)).double().mean(0)

    return context.map(of_batch, part)


def diverged() -> NotApplicable:
    return NotApplicable(
        "codes or reconstructions of this model are not finite and have no ranking: choose a smaller optimizer.lr"
    )


def mahalanobis(codes: Tensor) -> Callable[[Tensor], Tensor]:
    """The squared Mahalanobis distance to the codes (N, D): (n, D) -> (n,) float64. Memory: D x D floats."""
    fitted = LedoitWolf().fit(codes.double().numpy())
    centre, precision = (torch.as_tensor(a) for a in (fitted.location_, fitted.get_precision()))

    def distance(z: Tensor) -> Tensor:
        offset = z.double() - centre
        return (offset @ precision * offset).sum(1)

    return distance


class Baselines:
    """`components` of PCA, fewer where an example has no more numbers; `trees` of the isolation forest; `neighbours` of
    the local outlier factor; training `examples` that they are fitted to."""

    def __init__(self, components: int, trees: int, neighbours: int, examples: int, seed: int) -> None:
        if min(components, trees, neighbours, examples) < 1:
            raise UserError(
                f"the baselines have components={components}, trees={trees}, neighbours={neighbours} and examples="
                f"{examples}: choose at least 1 of each"
            )
        self.components, self.trees, self.neighbours = components, trees, neighbours
        self.examples, self.seed = examples, seed

    def fit(self, train: Examples) -> dict[str, Score]:
        """Fitted to `examples` of them, drawn from `seed`: the memory is theirs as float32, twice."""
        drawn = torch.randperm(len(train), generator=torch.Generator().manual_seed(self.seed))[: self.examples]
        x = train[drawn].x.flatten(1)
        mean = x.mean(0)
        fewer = max(1, min(x.shape) - 1)  # as many as numbers leave no residual
        pca = PCA(min(self.components, fewer), random_state=self.seed).fit(x.numpy())
        components = torch.as_tensor(pca.components_)
        forest = IsolationForest(n_estimators=self.trees, random_state=self.seed).fit(x.numpy())
        local = LocalOutlierFactor(max(1, min(self.neighbours, len(x) - 1)), novelty=True).fit(x.numpy())

        def residual(x: Tensor) -> Tensor:
            offset = x - mean
            return (offset - offset @ components.T @ components).square().sum(1)

        return {
            "pca": _each(residual),
            "mean": _each(lambda x: (x - mean).norm(dim=1)),
            "norm": _each(lambda x: x.norm(dim=1)),
            "isolation_forest": _each(lambda x: torch.as_tensor(-forest.score_samples(x.numpy()))),
            "local_outlier_factor": _each(lambda x: torch.as_tensor(-local.score_samples(x.numpy()))),
        }


def _each(function: Callable[[Tensor], Tensor]) -> Score:
    """function((B, P)) -> (B,), over all examples"""
    return lambda part: torch.cat([function(batch.x.flatten(1)).double() for batch in part.batches(BATCH)]).numpy()
