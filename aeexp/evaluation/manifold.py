"""Latent manifold: the plane of a code of two units, decoded. No metrics.

Kingma and Welling (2014), Auto-encoding variational Bayes, figure 4.

A grid of `cells` x `cells` codes, z_1 to the right and z_2 upwards:

    z_j = Phi^-1(u)                                      where the prior is N(0, I): equal shares of its mass
    z_j = q_j(l) + (q_j(h) - q_j(l)) (u - l) / (h - l)   otherwise, q_j the quantiles of the training codes

with u in equal steps from l to h, the two of `range`, and Phi the normal distribution function.
"""

import torch
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result
from aeexp.errors import NotApplicable, UserError
from aeexp.plots.grid import Row, grid
from aeexp.plots.palette import colour


class Manifold:
    def __init__(self, cells: int, range: list[float]) -> None:
        if cells < 2:
            raise UserError(f"manifold.cells={cells} is the side of a grid: choose at least 2")
        if not 0 < range[0] < range[1] < 1:
            raise UserError(f"manifold.range={range} are two shares of the codes: choose numbers between 0 and 1")
        self.cells, self.range = cells, range

    def __call__(self, context: EvaluationContext) -> Result:
        """Decodes cells^2 examples."""
        wide = context.codes(context.data.test).shape[1]
        if wide != 2:
            raise NotApplicable(
                f"a plane has codes of two numbers, these have {wide}: choose bottleneck=2 and a vector code"
            )
        across, up = self.levels(context)
        z = torch.cartesian_prod(up.flip(0), across).flip(1)  # row by row from the top, (cells^2, 2)
        x = context.decode(z).unflatten(0, (self.cells, self.cells))
        names, heads = ([f"{value:.1f}".replace("-", "−") for value in side.tolist()] for side in (up.flip(0), across))
        ink = colour(context.model_name)
        rows = [Row(name, examples, ink=ink) for name, examples in zip(names, x, strict=True)]
        return Result({}, {"manifold": grid([rows], context.data.scale, ["z₂ \\ z₁", *heads])})

    def levels(self, context: EvaluationContext) -> Tensor:
        """The values of z_1 and of z_2, (2, cells), ascending"""
        low, high = self.range
        try:
            return context.model.prior.quantiles(torch.linspace(low, high, self.cells)).expand(2, -1)
        except NotApplicable:
            ends = context.codes(context.data.train).quantile(torch.tensor([low, high]), dim=0)  # (2, 2)
            return torch.stack([torch.linspace(a, b, self.cells) for a, b in ends.T.tolist()])
