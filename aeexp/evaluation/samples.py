"""Generated samples, and the negative log-density of the test codes under the latent sampler.

    nats        -log p(z), averaged over the mean codes z of the test examples, p the density that is fitted to the
                training codes (aeexp.context.latent_samplers); comparable within one code only
    nats_prior  the same under the model's own prior, where it has one: of codes that are indices, a probability
    components  Gaussians of the fitted density

The figure shows samples from the fitted density, and from the prior, with labels of training examples where the model
conditions on the label. Rows by class: such a model decodes codes of its prior, or of the density, with each label; of
any other, a density is fitted to the codes of each class alone.
"""

import torch
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result
from aeexp.context.latent_samplers import DensityEstimator, LatentSampler, generated, latent_samplers
from aeexp.data.examples import BATCH
from aeexp.errors import NotApplicable, UserError
from aeexp.plots.grid import Row, grid
from aeexp.plots.palette import colour


class Samples:
    """`classes`: a row of each of these; null: of all training classes, where the model conditions on the label."""

    def __init__(
        self, density: DensityEstimator, classes: list[int] | None, rows: int, columns: int, seed: int
    ) -> None:
        if min(rows, columns) < 1:
            raise UserError(f"samples are shown in rows={rows} of columns={columns}: choose at least 1 of each")
        self.density, self.classes, self.rows, self.columns, self.seed = density, classes, rows, columns, seed

    def __call__(self, context: EvaluationContext) -> Result:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            samplers = latent_samplers(context, self.density)
            blocks = [self._block(context, sampler) for sampler in samplers.values()]
            by_class = self._by_class(context, [*samplers.values()][-1])
        figure = grid([*blocks, by_class] if by_class else blocks, context.data.scale)
        metrics = {f"nats{suffix}": _nats(context, sampler) for suffix, sampler in samplers.items()}
        if "" in samplers:
            metrics["components"] = float(samplers[""].components)
        return Result(metrics, {"samples": figure})

    def _block(self, context: EvaluationContext, sampler: LatentSampler) -> list[Row]:
        train = context.data.train.y
        labels = train[torch.randint(len(train), (self.rows * self.columns,))]
        drawn = torch.cat([*generated(context, sampler.prior, labels)]).split(self.columns)
        name = sampler.name + "\non the codes" * bool(sampler.components)
        return [Row("" if i else name, x, ink=colour(context.model_name)) for i, x in enumerate(drawn)]

    def _by_class(self, context: EvaluationContext, sampler: LatentSampler) -> list[Row]:
        conditional = context.model.reads_labels
        seen = [label for label in context.data.train.y.unique().tolist() if label >= 0]
        rows = []
        for label in self.classes if self.classes is not None else seen * conditional:
            y = context.data.train.y == label
            if not y.any():
                raise NotApplicable(
                    f"no training example has the label {label}: choose evaluation.samples.classes of the data's "
                    f"{context.data.classes}, counted from 0"
                )
            of_class = sampler if conditional else self._of_class(context, y)
            x = torch.cat([*generated(context, of_class.prior, torch.full((self.columns,), label))])
            rows.append(Row(f"class {context.class_name(label)}\n{of_class.name}", x, ink=colour(context.model_name)))
        return rows

    def _of_class(self, context: EvaluationContext, members: Tensor) -> LatentSampler:
        return self.density.fit(context.codes(context.data.train)[members], context.code_shape)


@torch.no_grad()
def _nats(context: EvaluationContext, sampler: LatentSampler) -> float:
    codes = context.codes(context.data.test).unflatten(1, context.code_shape).split(BATCH)
    return -torch.cat([sampler.prior.log_prob(z) for z in codes]).double().mean().item()
