"""Interpolation between two test images, in the code and, to compare, in the pixels. No metrics.

    pixels   (1 - t) x_a + t x_b
    code     g(path(f(x_a), f(x_b), t)),    t in [0, 1]

so that the ends are the originals above and the reconstructions below. A path (aeexp.metrics.paths) is one of

    Linear      (1 - t) a + t b
    Spherical   (sin((1 - t) w) a + sin(t w) b) / sin w,  w the angle between a and b: White (2016), Sampling
                generative networks, section 2.1; under N(0, I) in many dimensions the middle of a straight line is
                shorter than any code
"""

from collections.abc import Callable

import torch
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result
from aeexp.errors import NotApplicable, UserError
from aeexp.metrics.paths import Path
from aeexp.plots.grid import Row, grid
from aeexp.plots.palette import colour
from aeexp.plots.style import GREY


class Interpolation:
    """`classes`: pairs of them, each by its first test image; `examples`: pairs of places in the test part.

    Pairs that the test part does not have are left out.
    """

    def __init__(self, classes: list[list[int]], examples: list[list[int]], steps: int, path: Path) -> None:
        if not all(len(pair) == 2 for pair in [*classes, *examples]):
            raise UserError(
                f"interpolation.classes={classes} and examples={examples} are lists of pairs: choose such as [[0,1]]"
            )
        if steps < 2:
            raise UserError(f"interpolation.steps={steps} are the images from one end to the other: choose at least 2")
        self.classes, self.examples, self.steps, self.path = classes, examples, steps, path

    def __call__(self, context: EvaluationContext) -> Result:
        test, ink = context.data.test, colour(context.model_name)
        codes, t = context.codes(test), torch.linspace(0, 1, self.steps)
        blocks = []
        for name, pair in self.pairs(test.y, context.class_name):
            (a, b), (start, end) = test[pair].x, codes[pair]
            mixed = torch.lerp(a.flatten(), b.flatten(), t[:, None]).unflatten(1, a.shape)
            decoded = context.decode(self.path(start, end, t))
            blocks.append([Row(f"{name}\npixels", mixed, ink=GREY), Row("code", decoded, ink=ink)])
        if not blocks:
            raise NotApplicable(
                "the test part has none of these pairs: choose evaluation.interpolation.examples=[[0,1]], or classes "
                "that it has"
            )
        heads = ["t", *(f"{each:.2g}" for each in t.tolist())]
        return Result({}, {"interpolation": grid(blocks, context.data.scale, heads)})

    def pairs(self, y: Tensor, class_name: Callable[[int], str] = str) -> list[tuple[str, Tensor]]:
        """Labels (N,) -> names and places (2,)"""
        firsts = {label: int((y == label).nonzero()[0]) for label in y.unique().tolist() if label >= 0}
        of_classes = [
            (f"{class_name(a)} to {class_name(b)}", torch.tensor([firsts[a], firsts[b]]))
            for a, b in self.classes
            if {a, b} <= {*firsts}
        ]
        there = [pair for pair in self.examples if min(pair) >= 0 and max(pair) < len(y)]
        return [*of_classes, *((f"#{a} to #{b}", torch.tensor([a, b])) for a, b in there)]
