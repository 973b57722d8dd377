"""Best and worst reconstructions of the test examples, with their squared errors.

best, median, worst    ||x - x^||^2 of the test examples, in units of data.scale squared
"""

import torch

from aeexp.context.base import EvaluationContext, Result
from aeexp.errors import UserError
from aeexp.plots.grid import Row, grid
from aeexp.plots.palette import colour
from aeexp.plots.style import GREY, three_digits


class Extremes:
    def __init__(self, examples: int) -> None:
        if examples < 1:
            raise UserError(f"extremes.examples={examples} of each end are drawn: choose at least 1")
        self.examples = examples

    def __call__(self, context: EvaluationContext) -> Result:
        test, error = context.data.test, context.errors(context.data.test).squared
        order = error.argsort(stable=True)
        ends = {"best": order[: self.examples], "worst": order.flip(0)[: self.examples]}
        blocks = []
        for name, places in ends.items():
            batch = test[places]
            with torch.no_grad():
                restored = context.model.reconstruct(*batch)
            captions = [three_digits(value) for value in error[places].tolist()]
            blocks.append(
                [Row(name, batch.x, ink=GREY), Row("restored", restored, captions, colour(context.model_name))]
            )
        values = {"best": error.min(), "median": error.quantile(0.5), "worst": error.max()}
        metrics = {name: value.item() for name, value in values.items()}
        return Result(metrics, {"extremes": grid(blocks, context.data.scale)})
