"""The test examples that come back best, and those that come back worst, with their squared errors.

best, median, worst    ||x - x^||^2 of the test examples, in units of data.scale squared
"""

import torch

from aeexp.colours import colour
from aeexp.errors import UserError
from aeexp.evaluation.figures import GREY, Row, grid, three
from aeexp.evaluation.subject import Result, Subject


class Extremes:
    def __init__(self, examples: int) -> None:
        if examples < 1:
            raise UserError(f"extremes.examples={examples} of each end are drawn: choose at least 1")
        self.examples = examples

    def __call__(self, subject: Subject) -> Result:
        test, error = subject.data.test, subject.errors(subject.data.test).squared
        order = error.argsort(stable=True)
        ends = {"best": order[: self.examples], "worst": order.flip(0)[: self.examples]}
        blocks = []
        for name, places in ends.items():
            x = test[places].x
            with torch.no_grad():
                restored = subject.model.reconstruct(x)
            captions = [three(value) for value in error[places].tolist()]
            blocks.append([Row(name, x, ink=GREY), Row("restored", restored, captions, colour(subject.kind))])
        values = {"best": error.min(), "median": error.quantile(0.5), "worst": error.max()}
        metrics = {name: value.item() for name, value in values.items()}
        return Result(metrics, {"extremes": grid(blocks, subject.data.scale)})
