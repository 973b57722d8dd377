"""Multinomial logistic regression on codes of one common scale, with the L2 penalty chosen on validation data.

    z' = (z - m) / s,    m the mean code and s^2 the mean variance of a unit, both over the training codes

One factor s for all units keeps their proportions: a penalty treats units of little variance as they are, while unit by
unit standardisation amplifies their noise. C is the inverse strength of the penalty, as in scikit-learn.
"""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from aeexp.errors import UserError
from aeexp.metrics.finite import refuse_not_finite


@dataclass(frozen=True)
class CommonScaling:
    mean: np.ndarray  # (D,)
    scale: float

    @classmethod
    def fit(cls, z: Tensor) -> "CommonScaling":
        """Codes (N, D); the scale of a constant code is 1. UserError where one is not finite."""
        refuse_not_finite(z)
        z = z.double()
        return cls(z.mean(0).numpy(), z.var(0, correction=0).mean().sqrt().item() or 1.0)

    def __call__(self, z: Tensor) -> np.ndarray:
        """(M, D) -> (M, D) float64"""
        return (z.double().numpy() - self.mean) / self.scale


class Chosen(NamedTuple):
    C: float
    accuracy: float | None  # on the validation codes; None where nothing could be chosen


@dataclass(frozen=True)
class LogisticProbe:
    """`C`: candidates, of which the first is taken where nothing can be chosen; `max_iter` steps of L-BFGS."""

    C: list[float]
    max_iter: int

    def __post_init__(self) -> None:
        if not self.C or min(self.C) <= 0:
            raise UserError(f"C={self.C} are inverse strengths of a penalty: choose a list of numbers above 0")

    def choose(self, z: np.ndarray, y: Tensor, val_z: np.ndarray, val_y: Tensor) -> Chosen:
        """The C of the best accuracy on the validation codes; of equal ones the least, the strongest penalty.

        The first of the candidates without labelled validation examples, or where the training labels are of one class.
        """
        if not len(val_y) or len(y.unique()) < 2:
            return Chosen(self.C[0], None)
        probe = LogisticRegression(max_iter=self.max_iter, warm_start=True)  # each C starts from the solution before
        accuracy = {}
        for C in sorted(self.C):
            accuracy[C] = _fit(probe.set_params(C=C), z, y).score(val_z, val_y.numpy())
        best = max(accuracy, key=lambda C: accuracy[C])
        return Chosen(best, accuracy[best])

    def fit(self, z: np.ndarray, y: Tensor, C: float) -> LogisticRegression:
        """Codes (n, D) and labels (n,) of at least two classes. `n_iter_` is `max_iter` where it has not converged."""
        return _fit(LogisticRegression(C=C, max_iter=self.max_iter), z, y)


def _fit(probe: LogisticRegression, z: np.ndarray, y: Tensor) -> LogisticRegression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # n_iter_ says it
        return probe.fit(z, y.numpy())
