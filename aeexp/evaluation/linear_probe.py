"""Linear probe: accuracy of multinomial logistic regression on the frozen code, run to convergence.

On the mean code, standardised with the mean and deviation of all training codes; fitted by L-BFGS on `labels` of the
labelled training examples, drawn `draws` times from `seed`; accuracy on the test set, mean and deviation over draws.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result, refuse_without_labels
from aeexp.context.label_budgets import LabelBudgets


class LinearProbe:
    def __init__(
        self, labels: list[int | float], draws: int, stratified: bool, C: float, max_iter: int, seed: int
    ) -> None:
        self.budgets = LabelBudgets(labels, draws, stratified, seed)
        self.C, self.max_iter = C, max_iter

    def __call__(self, context: EvaluationContext) -> Result:
        train, test = context.data.train, context.data.test
        refuse_without_labels(train, test)
        return Result(self.score(context.codes(train), train.y, context.codes(test), test.y))

    def score(self, z: Tensor, y: Tensor, test_z: Tensor, test_y: Tensor) -> dict[str, float]:
        """Codes (N, D) and labels (N,) -> accuracy, accuracy_<labels>, and its deviation over draws.

        `converged` is the fraction of the fits that ended within `max_iter` steps; a draw of one class needs none, and
        its class is what it predicts. NotApplicable without labels of two classes.
        """
        scaler = StandardScaler().fit(z.numpy())
        inputs, targets = (scaler.transform(codes.numpy()).astype(np.float64) for codes in (z, test_z))
        converged = []

        def accuracy(chosen: Tensor) -> float:
            labels = y[chosen]
            if len(labels.unique()) == 1:
                return (test_y == labels[0]).double().mean().item()
            probe = LogisticRegression(C=self.C, max_iter=self.max_iter)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # `converged` tells
                probe.fit(inputs[chosen.numpy()], labels.numpy())
            converged.append(float(probe.n_iter_.max() < self.max_iter))
            return float(probe.score(targets, test_y.numpy()))

        metrics = self.budgets.accuracies(y, accuracy)
        return {**metrics, **({"converged": float(np.mean(converged))} if converged else {})}
