"""Latent arithmetic: the mean code of one group, minus that of another, plus that of a third; the same of pixels.

    code     g(m_a - m_b + m_c),  m_k the mean of f(x) over group k of the test part
    pixels   x_a - x_b + x_c,     x_k its mean image

Radford, Metz and Chintala (2016), DCGAN, section 6.3.2; Mikolov et al. (2013), whose king - man + woman it is. Each
group is shown before the sum: g(m_k) above, x_k below. Where the code is linear, both lines are the same.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result
from aeexp.data.examples import BATCH, Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.plots.grid import Row, grid
from aeexp.plots.palette import colour
from aeexp.plots.style import GREY


class Arithmetic:
    """`classes`: triples of them; `examples`: triples of lists of places in the test part.

    Triples that the test part does not have are left out.
    """

    def __init__(self, classes: list[list[int]], examples: list[list[list[int]]]) -> None:
        if any(len(triple) != 3 for triple in classes) or any(len(triple) != 3 for triple in examples):
            raise UserError(
                f"arithmetic.classes={classes} and examples={examples} are lists of triples: choose such as [[0,1,2]]"
            )
        self.classes, self.examples = classes, examples

    def __call__(self, context: EvaluationContext) -> Result:
        test, blocks = context.data.test, []
        for names, groups in self.triples(test.y, context.class_name):
            codes = summed([context.codes(test)[group].mean(0) for group in groups])
            images = summed([mean_image(test, group) for group in groups])
            captions = [*(sign + name for sign, name in zip(("", "− ", "+ "), names, strict=True)), "="]
            decoded = Row("code", context.decode(codes), ink=colour(context.model_name))
            blocks.append([decoded, Row("pixels", images, captions, GREY)])
        if not blocks:
            raise NotApplicable(
                "the test part has none of these groups: choose evaluation.arithmetic.classes that it has, or "
                "evaluation.arithmetic.examples=[[[0,1],[2],[3]]]"
            )
        return Result({}, {"arithmetic": grid(blocks, context.data.scale)})

    def triples(self, y: Tensor, class_name: Callable[[int], str] = str) -> list[tuple[list[str], list[Tensor]]]:
        """Labels (N,) -> names of three groups and their places"""
        of_classes = [
            ([f"class {class_name(label)}" for label in triple], [(y == label).nonzero()[:, 0] for label in triple])
            for triple in self.classes
            if set(triple) <= set(y[y >= 0].tolist())
        ]
        of_examples = [
            ([f"images {str(group)[1:-1]}"[:20] for group in triple], [torch.tensor(group) for group in triple])
            for triple in self.examples
            if all(group and min(group) >= 0 and max(group) < len(y) for group in triple)
        ]
        return [*of_classes, *of_examples]


def mean_image(part: Examples, group: Tensor) -> Tensor:
    """Of the places in `group`, (*shape); BATCH images are held at once."""
    return torch.stack([part[some].x.sum(0) for some in group.split(BATCH)]).sum(0) / len(group)


def summed(means: list[Tensor]) -> Tensor:
    """a, b and c (...) -> a, b, c and a - b + c (4, ...)"""
    a, b, c = means
    return torch.stack([a, b, c, a - b + c])
