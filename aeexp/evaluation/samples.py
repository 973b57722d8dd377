"""Generated samples, and the negative log-density of the test codes under the latent sampler.

A model with a prior draws codes from it; of any other, a density is fitted to its codes after the training, and the
picture says so (aeexp.context.latent_samplers). Rows by class: a model that reads labels decodes codes of its prior with
each; of any other, a density is fitted to the codes of each class alone.

    nats        -log p(z), averaged over the mean codes z of the test examples, under what the codes were drawn from:
                a density where codes are real, a probability where they are indices; comparable within one code only
    components  Gaussians that were fitted; 0 where the prior is the model's own
"""

import torch
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result
from aeexp.context.latent_samplers import DensityEstimator, LatentSampler, generated, latent_sampler, reads_labels
from aeexp.data.examples import BATCH
from aeexp.errors import NotApplicable, UserError
from aeexp.plots.grid import Row, grid
from aeexp.plots.palette import colour


class Samples:
    """`classes`: a row of each of these; null: of all that the model was trained on, where it reads labels."""

    def __init__(
        self, density: DensityEstimator, classes: list[int] | None, rows: int, columns: int, seed: int
    ) -> None:
        if min(rows, columns) < 1:
            raise UserError(f"samples are shown in rows={rows} of columns={columns}: choose at least 1 of each")
        self.density, self.classes, self.rows, self.columns, self.seed = density, classes, rows, columns, seed

    def __call__(self, context: EvaluationContext) -> Result:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            whole = latent_sampler(context, self.density)
            unlabelled = torch.full((self.rows * self.columns,), -1)
            drawn = torch.cat([*generated(context, whole.prior, unlabelled)]).split(self.columns)
            name = whole.name + "\non the codes" * bool(whole.components)
            rows = [Row("" if i else name, x, ink=colour(context.model_name)) for i, x in enumerate(drawn)]
            by_class = self._by_class(context, whole)
        figure = grid([rows, by_class] if by_class else [rows], context.data.scale)
        with torch.no_grad():
            codes = context.codes(context.data.test).unflatten(1, context.code_shape).split(BATCH)
            nats = -torch.cat([whole.prior.log_prob(z) for z in codes]).double().mean().item()
        return Result({"nats": nats, "components": float(whole.components)}, {"samples": figure})

    def _by_class(self, context: EvaluationContext, whole: LatentSampler) -> list[Row]:
        reads = reads_labels(context.model, whole.prior)
        seen = [label for label in context.data.train.y.unique().tolist() if label >= 0]
        rows = []
        for label in self.classes if self.classes is not None else seen * reads:
            y = context.data.train.y == label
            if not y.any():
                raise NotApplicable(
                    f"no training example has the label {label}: choose evaluation.samples.classes of the data's "
                    f"{context.data.classes}, counted from 0"
                )
            sampler = whole if reads else self._of_class(context, y)
            x = torch.cat([*generated(context, sampler.prior, torch.full((self.columns,), label))])
            rows.append(Row(f"class {label}\n{sampler.name}", x, ink=colour(context.model_name)))
        return rows

    def _of_class(self, context: EvaluationContext, members: Tensor) -> LatentSampler:
        return self.density.fit(context.codes(context.data.train)[members], context.code_shape)
