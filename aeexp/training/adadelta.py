"""Adadelta. Zeiler (2012), on a loss that is a mean over the numbers of x, as most papers have it.

    g = grad / divisor
    A <- rho A + (1 - rho) g^2
    delta = sqrt(D + eps) / sqrt(A + eps) g
    D <- rho D + (1 - rho) delta^2

eps is added to squares of gradients and to squares of steps alike, so that, other than under Adam, the step depends on
the scale of the loss: on a sum over 784 pixels the Keras example trains faster than its author saw it.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch


class Adadelta(torch.optim.Adadelta):
    def __init__(self, params: Iterable[Any], divisor: float, **settings: Any) -> None:
        super().__init__(params, **settings)
        self.divisor = divisor

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is not None:
                    weights.grad.div_(self.divisor)
        super().step()
        return loss
