"""A model, or raw pixels, under corruption: the error of its reconstruction, the accuracy of a probe on its code."""

from collections.abc import Callable
from math import nan

import torch
from torch import Tensor

from aeexp.data.examples import BATCH
from aeexp.errors import NotApplicable
from aeexp.metrics.logistic import CommonScaling, LogisticProbe
from aeexp.plots.robustness import Point
from aeexp.types import Batch


class Reader:
    def __init__(self, reconstruct: Callable[[Tensor], Tensor], encode: Callable[[Tensor], Tensor]) -> None:
        """`reconstruct`: (B, *shape) -> (B, *shape); `encode`: -> (B, D), which may be NotApplicable"""
        self.reconstruct, self.encode = reconstruct, encode
        self.classify: Callable[[Tensor], Tensor] | None = None
        self.C = nan  # of the regression

    def learn(self, train: Batch, val: Batch, probe: LogisticProbe) -> None:
        """A logistic regression on the codes of labelled clean examples, where the model has a code and two classes.

        Codes are centred and divided by one common factor, and C is chosen on the validation examples.
        """
        known, held_out = train.y >= 0, val.y >= 0
        if len(train.y[known].unique()) < 2:
            return
        try:
            z = _in_batches(self.encode, train.x[known])
        except NotApplicable:
            return
        scale = CommonScaling.fit(z)
        val_z = scale(_in_batches(self.encode, val.x[held_out])) if held_out.any() else scale(z[:0])
        C, _ = probe.choose(scale(z), train.y[known], val_z, val.y[held_out])
        fitted = probe.fit(scale(z), train.y[known], C)
        self.C, self.classify = C, lambda x: torch.as_tensor(fitted.predict(scale(self.encode(x))))

    def read(self, corrupted: Tensor, clean: Batch) -> Point:
        """Corrupted inputs (N, *shape), and the clean examples"""
        restored = _in_batches(self.reconstruct, corrupted)
        error = (restored - clean.x).square().flatten(1).sum(1).double().mean().item()
        known = clean.y >= 0
        if self.classify is None or not known.any():
            return Point(error, nan)
        right = _in_batches(self.classify, corrupted[known]) == clean.y[known]
        return Point(error, right.double().mean().item())


def _in_batches(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.cat([function(some) for some in x.split(BATCH)])
