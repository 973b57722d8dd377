"""First-layer filters: the weights of the first layer as images, the largest norm first. No metrics.

The first layer is the first module with weights of its own that reads an example; of a model that is itself one
linear map and has no modules, as pca, its matrix. A row of it is drawn as what it is multiplied with: a whole example
(a fully connected layer), a square patch (a transformer's), or a window of the image (a convolution's kernel). All on
one scale that is symmetric about 0: grey is 0, white positive; or in the colours of the three channels.
"""

from math import isqrt, prod

import torch
from torch import Tensor, nn

from aeexp.context.base import EvaluationContext, Result
from aeexp.errors import NotApplicable, UserError
from aeexp.plots.grid import Row, grid
from aeexp.plots.palette import colour
from aeexp.plots.style import three_digits


class Filters:
    def __init__(self, filters: int, columns: int) -> None:
        if min(filters, columns) < 1:
            raise UserError(f"filters.filters={filters} are drawn in columns={columns}: choose at least 1 of both")
        self.filters, self.columns = filters, columns

    def __call__(self, context: EvaluationContext) -> Result:
        weights = as_examples(first_weights(context), context.data.shape)
        order = weights.flatten(1).norm(dim=1).argsort(descending=True, stable=True)[: self.filters]
        shown = weights[order]
        largest = max(shown.abs().max().item(), 1e-12)
        ink = colour(context.model_name)
        lines = (0.5 + 0.5 * shown / largest).split(self.columns)
        rows = [Row("", line, ink=ink) for line in lines]
        return Result({}, {"filters": grid([rows], 1.0, [f"|w| ≤ {three_digits(largest)}"])})


def first_weights(context: EvaluationContext) -> Tensor:
    """(F, ...): as the first layer holds them. NotApplicable where there is no such layer."""
    called: list[nn.Module] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, _: called.append(module))
        for module in context.model.modules()
        if any(True for _ in module.parameters(recurse=False))
    ]
    try:
        with torch.no_grad():
            context.model.reconstruct(context.data.test[torch.tensor([0])].x)
    finally:
        for hook in hooks:
            hook.remove()
    if called and isinstance(called[0], nn.Linear | nn.Conv2d):
        return called[0].weight.detach()
    own = [matrix for matrix in context.model.buffers(recurse=False) if matrix.dim() == 2]
    if not called and own:
        return own[0]
    layer = type(called[0]).__name__ if called else "no layer at all"
    raise NotApplicable(
        f"the first layer is {layer}, which has no weights to draw as images: choose a model with "
        "network=mlp or network=conv"
    )


def as_examples(weights: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(F, prod(shape)) -> (F, *shape); kernels (F, C, k, k) as they are; (F, C k^2) -> (F, C, k, k)"""
    if weights.dim() == 4:
        return weights
    if weights.shape[1] == prod(shape):
        return weights.unflatten(1, shape)
    side = isqrt(weights.shape[1] // shape[0])
    if len(shape) == 3 and shape[0] * side**2 == weights.shape[1]:
        return weights.unflatten(1, (shape[0], side, side))
    raise NotApplicable(
        f"the first layer reads {weights.shape[1]} numbers, which are no image or patch of the data's "
        f"{list(shape)}: choose a model with network=mlp or network=conv"
    )
