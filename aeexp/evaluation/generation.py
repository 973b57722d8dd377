"""Quality of generated samples: Frechet distance, precision, recall, density, coverage, class accuracy.

The samples themselves are in `samples`. On features of a judge, a classifier (aeexp.context.judge), of n samples and
n test examples:

    frechet     |m - m'|^2 + tr(C + C' - 2 (C C')^1/2), means and covariances of the two sets of features: the distance
                of two Gaussians. Heusel et al. (2017), GANs trained by a two time-scale update rule, eq. 6
    precision, recall      the fraction of the samples in the manifold of the test examples, and of these in that of
                the samples. Kynkäänniemi et al. (2019), Improved precision and recall metric, eq. 1 and 2
    density, coverage      how densely the samples lie in that manifold, and the fraction of its balls that hold one.
                Naeem et al. (2020), Reliable fidelity and diversity metrics for generative models, eq. 3 and 4
    nearest     the mean pixel distance of a sample to its nearest training example, over that of a test example: far
                below 1 the samples are copies of training examples, or smoother than the data
    class_accuracy         of models that condition on the label: the fraction of samples that the judge assigns to
                their label

of samples from a density fitted to the training codes (aeexp.context.latent_samplers), the same for every model; again
as `<metric>_prior` of samples from the model's own prior, where it has one. For reference `_train`, of n training
examples in place of samples, the value of a perfect generator at this n; and `_reconstructions`, of the reconstructions
of these. Also

    judge_accuracy, judge_val_accuracy, judge_epochs    accuracy of the judge on the test and on the validation
                examples, and the epoch that was chosen by the latter
    samples     n

Conditional models get the labels of training examples, drawn at random. Memory: the features, `neighbours` samples and
BATCH more, and blocks of BATCH x BATCH distances.
"""

import torch
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result
from aeexp.context.judge import Judge, TrainedJudge
from aeexp.context.latent_samplers import DensityEstimator, LatentSampler, generated, latent_samplers
from aeexp.data.examples import BATCH, Examples
from aeexp.errors import UserError
from aeexp.metrics.fidelity import Manifold, fidelity_and_diversity, frechet, nearest
from aeexp.plots.grid import Row, grid
from aeexp.plots.palette import colour
from aeexp.types import Batch

SHOWN = 10


class Generation:
    """`k`: of the nearest-neighbour balls of a manifold; `neighbours`: samples whose nearest example is searched."""

    def __init__(
        self, judge: Judge, density: DensityEstimator, samples: int, k: int, neighbours: int, seed: int
    ) -> None:
        if min(k, neighbours) < 1 or samples <= k:
            raise UserError(
                f"evaluation=[generation] scores samples={samples} by k={k} neighbours, and looks for the training "
                f"examples next to neighbours={neighbours} of them: choose at least 1 of each, and more samples than k"
            )
        self.judge, self.density, self.samples, self.k = judge, density, samples, k
        self.neighbours, self.seed = neighbours, seed

    def __call__(self, context: EvaluationContext) -> Result:
        """NotApplicable where the judge is, or where the model has neither codes nor a prior."""
        train, test, scale = context.data.train, context.data.test, context.data.scale
        judge = self.judge.train(context.data)
        n = min(self.samples, len(train), len(test))

        def features(batch: Batch) -> Tensor:
            return judge.describe(batch.x)

        def features_of_reconstructions(batch: Batch) -> Tensor:
            return judge.describe(context.model.reconstruct(*batch).clamp(*context.data.limits))

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            real, others = _drawn(test, n), _drawn(train, n)
            y = train.y[torch.randint(len(train), (n,))]
            samplers = latent_samplers(context, self.density)
            held_out = nearest(real[torch.arange(min(n, self.neighbours))].x, train)[0].mean()
            manifold = Manifold(context.map(features, real), self.k)
            metrics: dict[str, float] = {}
            rows: list[list[Row]] = []
            for suffix, sampler in samplers.items():
                torch.manual_seed(self.seed)
                x, described = self._generated(context, sampler, y, judge)
                distances, places = nearest(x, train)
                measured = _score(manifold, described) | {"nearest": (distances.mean() / held_out).item()}
                if context.model.reads_labels:
                    measured["class_accuracy"] = (judge.classes(described) == y)[y >= 0].double().mean().item()
                metrics |= _suffixed(measured, suffix)
                shown = {f"samples,\n{sampler.name}": x[:SHOWN], "nearest\ntraining": train[places[:SHOWN]].x}
                rows.append([Row(name, each, ink=colour(context.model_name)) for name, each in shown.items()])
        metrics |= _suffixed(_score(manifold, context.map(features, others)), "_train")
        metrics |= _suffixed(_score(manifold, context.map(features_of_reconstructions, others)), "_reconstructions")
        metrics |= {"judge_accuracy": judge.accuracy, "judge_val_accuracy": judge.val_accuracy}
        metrics |= {"judge_epochs": float(judge.epochs), "samples": float(n)}
        facts = {"judge": judge.digest, "codes": " and ".join(sampler.name for sampler in samplers.values())}
        return Result(metrics, {"nearest_training_examples": grid(rows, scale)}, facts=facts)

    def _generated(
        self, context: EvaluationContext, sampler: LatentSampler, y: Tensor, judge: TrainedJudge
    ) -> tuple[Tensor, Tensor]:
        """The first `neighbours` of the samples, and the features of all."""
        kept, features = [], []
        for number, x in enumerate(generated(context, sampler.prior, y)):
            features.append(judge.describe(x))
            kept.append(x[: max(0, self.neighbours - number * BATCH)])
        return torch.cat(kept), torch.cat(features)


def _score(real: Manifold, features: Tensor) -> dict[str, float]:
    return {"frechet": frechet(real.features, features), **fidelity_and_diversity(real, features)}


def _drawn(part: Examples, n: int) -> Examples:
    """n of them, from the global generator: a test part may be in the order of its classes."""
    some = torch.randperm(len(part))[:n]
    return Examples(part.x[some], part.y[some], part.factor)


def _suffixed(metrics: dict[str, float], suffix: str) -> dict[str, float]:
    return {f"{name}{suffix}": value for name, value in metrics.items()}
