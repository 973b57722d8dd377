"""Quality of generated samples: Frechet distance, precision, recall. The samples themselves are in `samples`.

On features of a classifier (aeexp.context.judge), of n samples and n test examples:

    frechet     |m - m'|^2 + tr(C + C' - 2 (C C')^1/2), means and covariances of the two sets of features: the distance
                of two Gaussians. Heusel et al. (2017), GANs trained by a two time-scale update rule, eq. 6
    precision   the fraction of the samples that lie in the manifold of the test examples: are they real?
    recall      the fraction of the test examples that lie in the manifold of the samples: are they all there is?
                A set's manifold is the union of balls around its members, each up to the k-th nearest other one.
                Kynkäänniemi et al. (2019), Improved precision and recall metric, eq. 1 and 2

each again as `_train`, of n training examples as if they were samples: what a perfect generator would get with so few;
and as `_reconstructions`, of what the model makes of these: what its decoder would get from perfectly drawn codes. Also

    nearest     the mean distance of a sample to the training example nearest to it in pixels, over that of a test
                example: far below 1 the samples are copies, or duller than the data are, and the picture tells which
    agreement   of a model that reads labels: the fraction of samples that the classifier gives the label that they
                were asked to have
    accuracy    of the classifier, on the test examples
    samples     n

A model without a prior draws codes from a density that is fitted to its codes (aeexp.context.latent_samplers); one that
reads labels gets those of training examples, drawn at random. Memory: the features, `neighbours` samples and BATCH
more, and blocks of BATCH x BATCH distances.
"""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result
from aeexp.context.judge import Features, Judge
from aeexp.context.latent_samplers import DensityEstimator, LatentSampler, generated, latent_sampler, reads_labels
from aeexp.data.examples import BATCH, Examples
from aeexp.errors import UserError
from aeexp.metrics.fidelity import Manifold, frechet, nearest
from aeexp.plots.grid import Row, grid
from aeexp.plots.palette import colour
from aeexp.types import Batch

SHOWN = 10


class Generation:
    def __init__(
        self, features: Features, density: DensityEstimator, samples: int, k: int, neighbours: int, seed: int
    ) -> None:
        if min(k, neighbours) < 1 or samples <= k:
            raise UserError(
                f"evaluation=[generation] scores samples={samples} by k={k} neighbours, and looks for the training "
                f"examples next to neighbours={neighbours} of them: choose at least 1 of each, and more samples than k"
            )
        self.features, self.density, self.samples, self.k = features, density, samples, k
        self.neighbours, self.seed = neighbours, seed

    def __call__(self, context: EvaluationContext) -> Result:
        train, test = context.data.train, context.data.test
        known = self.features.of(context.data)
        n = min(self.samples, len(train), len(test))

        def described(batch: Batch) -> Tensor:
            return known.describe(batch.x)

        def restored(batch: Batch) -> Tensor:
            return known.describe(context.model.reconstruct(batch.x).clamp(0, context.data.scale))

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            real, others = _drawn(test, n), _drawn(train, n)
            sampler = latent_sampler(context, self.density)
            y = train.y[torch.randint(len(train), (n,))]
            x, features = self._generated(context, sampler, y, known)
            reads = reads_labels(context.model, sampler.prior)
        manifold = Manifold(context.map(described, real), self.k)
        metrics = {
            **self.score(manifold, features),
            **_named("train", self.score(manifold, context.map(described, others))),
            **_named("reconstructions", self.score(manifold, context.map(restored, others))),
        }
        metrics |= {"accuracy": known.accuracy, "samples": float(n)}
        if reads:
            metrics["agreement"] = (known.classes(features) == y)[y >= 0].double().mean().item()
        ratio, figure = self._nearest(context, x, real)
        facts = {"classifier": known.digest, "codes": sampler.name}
        return Result({**metrics, "nearest": ratio}, {"nearest_training_examples": figure}, facts=facts)

    def _nearest(self, context: EvaluationContext, x: Tensor, real: Examples) -> tuple[float, Figure]:
        """The ratio of the distances of samples x and of test examples, and the first samples over what is nearest."""
        train = context.data.train
        (distances, places), (held_out, _) = nearest(x, train), nearest(real[torch.arange(len(x))].x, train)
        shown = {"samples": x[:SHOWN], "nearest\ntraining": train[places[:SHOWN]].x}
        rows = [Row(name, examples, ink=colour(context.model_name)) for name, examples in shown.items()]
        return (distances.mean() / held_out.mean()).item(), grid([rows], context.data.scale)

    def score(self, real: Manifold, features: Tensor) -> dict[str, float]:
        """Features (n, F) of what is to be scored -> frechet, precision and recall."""
        return {
            "frechet": frechet(real.features, features),
            "precision": real.holds(features),
            "recall": Manifold(features, self.k).holds(real.features),
        }

    def _generated(
        self, context: EvaluationContext, sampler: LatentSampler, y: Tensor, known: Judge
    ) -> tuple[Tensor, Tensor]:
        """The first `neighbours` of the samples, and the features of all."""
        kept, features = [], []
        for number, x in enumerate(generated(context, sampler.prior, y)):
            features.append(known.describe(x))
            kept.append(x[: max(0, self.neighbours - number * BATCH)])
        return torch.cat(kept), torch.cat(features)


def _drawn(part: Examples, n: int) -> Examples:
    """n of them, from the global generator: a test part may be in the order of its classes."""
    some = torch.randperm(len(part))[:n]
    return Examples(part.x[some], part.y[some], part.factor)


def _named(what: str, metrics: dict[str, float]) -> dict[str, float]:
    return {f"{name}_{what}": value for name, value in metrics.items()}
