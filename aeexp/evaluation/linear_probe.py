"""What a linear classifier reads from the frozen code: multinomial logistic regression, run to convergence.

On the mean code, standardised with the mean and deviation of all training codes; fitted by L-BFGS on `labels` of the
labelled training examples, drawn `draws` times from `seed`; accuracy on the test set, mean and deviation over draws.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from aeexp.data.labels import draw
from aeexp.errors import UserError
from aeexp.evaluation.subject import Result, Subject, refuse_without_labels


class LinearProbe:
    def __init__(
        self, labels: list[int | float], draws: int, stratified: bool, C: float, max_iter: int, seed: int
    ) -> None:
        self.labels, self.draws, self.stratified = labels, draws, stratified
        self.C, self.max_iter, self.seed = C, max_iter, seed

    def __call__(self, subject: Subject) -> Result:
        train, test = subject.data.train, subject.data.test
        refuse_without_labels(train, test)
        return Result(self.score(subject.codes(train), train.y, subject.codes(test), test.y))

    def score(self, z: Tensor, y: Tensor, test_z: Tensor, test_y: Tensor) -> dict[str, float]:
        """Codes (N, D) and labels (N,) -> accuracy, accuracy_<labels>, and its deviation over draws.

        `converged` is the fraction of the fits that ended within `max_iter` steps. UserError without labels.
        """
        scaler = StandardScaler().fit(z.numpy())
        inputs, targets = (scaler.transform(codes.numpy()).astype(np.float64) for codes in (z, test_z))
        metrics: dict[str, float] = {}
        converged = []
        for labels in self.labels:
            everything = len(draw(y, labels, self.stratified, 0)) == int((y >= 0).sum())
            accuracies = []
            for number in range(1 if everything else self.draws):
                chosen = draw(y, labels, self.stratified, self.seed * 1_000 + number).numpy()
                if len(y[chosen].unique()) < 2:
                    raise UserError(f"labels={labels} draws examples of one class alone for the probe: ask for more")
                probe = LogisticRegression(C=self.C, max_iter=self.max_iter)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)  # `converged` tells
                    probe.fit(inputs[chosen], y.numpy()[chosen])
                converged.append(float(probe.n_iter_.max() < self.max_iter))
                accuracies.append(probe.score(targets, test_y.numpy()))
            name = "accuracy" if everything else f"accuracy_{labels:g}"
            metrics[name] = float(np.mean(accuracies))
            if not everything:
                metrics[f"{name}_std"] = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else float("nan")
        return {**metrics, "converged": float(np.mean(converged))}
