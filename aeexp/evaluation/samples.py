"""Examples that the kind generates, and how well it knows its own codes.

A kind with a prior draws codes from it; of any other, a density is fitted to its codes after the training, and the
picture says so (aeexp.evaluation.densities). Rows by class: a kind that reads labels decodes codes of its prior with
each; of any other, a density is fitted to the codes of each class alone.

    nats        -log p(z), averaged over the mean codes z of the test examples, under what the codes were drawn from:
                a density where codes are real, a probability where they are indices; comparable within one code only
    components  Gaussians that were fitted; 0 where the prior is the kind's own
"""

import torch
from torch import Tensor

from aeexp.colours import colour
from aeexp.errors import Unanswerable, UserError
from aeexp.evaluation.densities import Density, Origin, generated, origin, reads_labels
from aeexp.evaluation.figures import Row, grid
from aeexp.evaluation.subject import BATCH, Result, Subject


class Samples:
    """`classes`: a row of each of these; null: of all that the kind was trained on, where it reads labels."""

    def __init__(self, density: Density, classes: list[int] | None, rows: int, columns: int, seed: int) -> None:
        if min(rows, columns) < 1:
            raise UserError(f"samples are shown in rows={rows} of columns={columns}: choose at least 1 of each")
        self.density, self.classes, self.rows, self.columns, self.seed = density, classes, rows, columns, seed

    def __call__(self, subject: Subject) -> Result:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            whole = origin(subject, self.density)
            unlabelled = torch.full((self.rows * self.columns,), -1)
            drawn = torch.cat([*generated(subject, whole.prior, unlabelled)]).split(self.columns)
            name = whole.name + "\non the codes" * bool(whole.components)
            rows = [Row("" if i else name, x, ink=colour(subject.kind)) for i, x in enumerate(drawn)]
            by_class = self._by_class(subject, whole)
        figure = grid([rows, by_class] if by_class else [rows], subject.data.scale)
        with torch.no_grad():
            codes = subject.codes(subject.data.test).unflatten(1, subject.code_shape).split(BATCH)
            nats = -torch.cat([whole.prior.log_prob(z) for z in codes]).double().mean().item()
        return Result({"nats": nats, "components": float(whole.components)}, {"samples": figure})

    def _by_class(self, subject: Subject, whole: Origin) -> list[Row]:
        reads = reads_labels(subject.model, whole.prior)
        seen = [label for label in subject.data.train.y.unique().tolist() if label >= 0]
        rows = []
        for label in self.classes if self.classes is not None else seen * reads:
            y = subject.data.train.y == label
            if not y.any():
                raise Unanswerable(
                    f"no training example has the label {label}: choose evaluation.samples.classes of the data's "
                    f"{subject.data.classes}, counted from 0"
                )
            drawn_from = whole if reads else self._of_class(subject, y)
            x = torch.cat([*generated(subject, drawn_from.prior, torch.full((self.columns,), label))])
            rows.append(Row(f"class {label}\n{drawn_from.name}", x, ink=colour(subject.kind)))
        return rows

    def _of_class(self, subject: Subject, members: Tensor) -> Origin:
        return self.density.fit(subject.codes(subject.data.train)[members], subject.code_shape)
