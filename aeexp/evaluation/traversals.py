"""Latent traversals: one unit of the code varies, the others keep the values of an example. No metrics.

Unit j takes the values that `percents` of the training codes have below them in j, and carries

    v_j = mean over examples of sum over pixels of Var over these values of g(z_1, .., z_j, .., z_D)

in units of data.scale squared. The `units` that carry most are drawn, most first, for the first of the examples;
`code` is that code as it is. As Higgins et al. (2017), beta-VAE, draw them, but sorted.
"""

import torch
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result
from aeexp.errors import UserError
from aeexp.plots.grid import Row, grid
from aeexp.plots.palette import colour
from aeexp.plots.style import three_digits


class Traversals:
    def __init__(self, percents: list[float], units: int, examples: int) -> None:
        if len(percents) < 2 or min(percents) < 0 or max(percents) > 100:
            raise UserError(f"traversals.percents={percents} are places in the data: choose several from 0 to 100")
        if min(units, examples) < 1:
            raise UserError(f"traversals.units={units} and examples={examples} are counts: choose at least 1")
        self.percents, self.units, self.examples = percents, units, examples

    def __call__(self, context: EvaluationContext) -> Result:
        """Decodes D x examples x percents, those of one unit at once."""
        train, z = context.codes(context.data.train), context.codes(context.data.test)[: self.examples]
        carried = torch.stack([self.traversed(context, train, z, unit)[1] for unit in range(z.shape[1])])
        order = carried.argsort(descending=True, stable=True)[: self.units].tolist()
        still, ink = context.decode(z[:1]), colour(context.model_name)
        rows: list[Row] = []
        for unit in order:
            moved = self.traversed(context, train, z[:1], unit)[0][0]
            rows.append(Row(f"unit {unit}, {three_digits(carried[unit].item())}", torch.cat([still, moved]), ink=ink))
        heads = ["unit, variance", "code", *(f"{percent:g} %" for percent in self.percents)]
        return Result({}, {"traversals": grid([rows], context.data.scale, heads)})

    def traversed(self, context: EvaluationContext, train: Tensor, z: Tensor, unit: int) -> tuple[Tensor, Tensor]:
        """Codes (N, D) and (B, D) -> the examples of P values of the unit (B, P, *shape), and v_j ()"""
        shares = torch.tensor(self.percents, dtype=torch.float64) / 100
        values = train[:, unit].double().quantile(shares).to(z)  # (P,)
        moved = z[:, None].repeat(1, len(values), 1)  # (B, P, D)
        moved[:, :, unit] = values
        x = context.decode(moved.flatten(0, 1)).unflatten(0, (len(z), len(values)))
        return x, x.double().var(1, correction=0).flatten(1).sum(1).mean()
