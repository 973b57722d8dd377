"""Linear probe: accuracy of multinomial logistic regression on the frozen code, run to convergence.

    accuracy, accuracy_<labels>, accuracy_<labels>_std    on the test set, with `labels` of the labelled training
                    examples, drawn `draws` times from `seed`: mean and deviation over draws
    C, C_<labels>   inverse strength of the L2 penalty, chosen from a list of candidates by the accuracy on the labelled
                    validation examples, once for each label budget, at its first draw
    validation_accuracy, validation_accuracy_<labels>   of that choice, by which a table may choose a hyperparameter
    converged       the fraction of the fits that ended within `max_iter` steps of L-BFGS

On the mean code, centred and divided by one common factor, the root of the mean variance of the units over all training
codes. The label budget counts training labels; the choice of C sees the labels of the validation part as well.
"""

import numpy as np
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result, refuse_without_labels
from aeexp.context.label_budgets import LabelBudgets, selection_facts
from aeexp.metrics.logistic import Chosen, CommonScaling, LogisticProbe


class LinearProbe:
    """`C`: candidates, the first of them is taken where the validation part has no labels."""

    def __init__(
        self, labels: list[int | float], draws: int, stratified: bool, C: list[float], max_iter: int, seed: int
    ) -> None:
        self.budgets = LabelBudgets(labels, draws, stratified, seed)
        self.probe = LogisticProbe(C, max_iter)

    def __call__(self, context: EvaluationContext) -> Result:
        """NotApplicable without labels of two classes."""
        train, val, test = context.data.train, context.data.val, context.data.test
        refuse_without_labels(train, test)
        scale = CommonScaling.fit(context.codes(train))
        z, val_z, test_z = (scale(context.codes(part)) for part in (train, val, test))
        labelled = (val.y >= 0).numpy()
        converged: list[bool] = []

        def choose(positions: Tensor) -> Chosen:
            return self.probe.choose(z[positions.numpy()], train.y[positions], val_z[labelled], val.y[val.y >= 0])

        def accuracy(positions: Tensor, chosen: Chosen) -> float:
            y = train.y[positions]
            if len(y.unique()) == 1:
                return (test.y == y[0]).double().mean().item()
            fitted = self.probe.fit(z[positions.numpy()], y, chosen.C)
            converged.append(fitted.n_iter_.max() < self.probe.max_iter)
            return float(fitted.score(test_z, test.y.numpy()))

        metrics, chosen = self.budgets.accuracies(train.y, choose, accuracy)
        for suffix, (C, validated) in chosen.items():
            metrics |= {f"C{suffix}": C}
            metrics |= {} if validated is None else {f"validation_accuracy{suffix}": validated}
        metrics |= {"converged": float(np.mean(converged))} if converged else {}
        return Result(metrics, facts=selection_facts(val, "C"))
