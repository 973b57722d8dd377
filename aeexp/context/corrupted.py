"""A model, or raw pixels, read under corruption: the error of what it restores, and the class that its code tells."""

import warnings
from collections.abc import Callable
from math import nan

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from aeexp.data.examples import BATCH
from aeexp.errors import NotApplicable
from aeexp.plots.robustness import Point
from aeexp.types import Batch


class Reader:
    def __init__(self, reconstruct: Callable[[Tensor], Tensor], encode: Callable[[Tensor], Tensor]) -> None:
        """(B, *shape) -> (B, *shape), and -> (B, D), which may be NotApplicable"""
        self.reconstruct, self.encode = reconstruct, encode
        self.classify: Callable[[Tensor], Tensor] | None = None

    def learn(self, clean: Batch, C: float, max_iter: int) -> None:
        """A logistic regression on the standardised codes of what is labelled, where there is a code and a choice."""
        known = clean.y >= 0
        if len(clean.y[known].unique()) < 2:
            return
        try:
            z = _in_batches(self.encode, clean.x[known])
        except NotApplicable:
            return
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=max_iter))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # on raw pixels; the last steps change little
            probe.fit(z.double().numpy(), clean.y[known].numpy())
        self.classify = lambda x: torch.as_tensor(probe.predict(self.encode(x).double().numpy()))

    def read(self, corrupted: Tensor, clean: Batch) -> Point:
        """Inputs (N, *shape), and what they were"""
        restored = _in_batches(self.reconstruct, corrupted)
        error = (restored - clean.x).square().flatten(1).sum(1).double().mean().item()
        known = clean.y >= 0
        if self.classify is None or not known.any():
            return Point(error, nan)
        right = _in_batches(self.classify, corrupted[known]) == clean.y[known]
        return Point(error, right.double().mean().item())


def _in_batches(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.cat([function(some) for some in x.split(BATCH)])
