"""Label budgets: accuracy of a classifier by the number of labels that it sees, mean and deviation over draws."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from torch import Tensor

from aeexp.data.examples import Examples
from aeexp.data.labels import draw
from aeexp.errors import NotApplicable, UserError

Setting = TypeVar("Setting")  # a hyperparameter


@dataclass(frozen=True)
class LabelBudgets:
    labels: list[int | float]  # fractions (float) or counts (int) of the labelled examples
    draws: int  # of each of them that is not all
    stratified: bool
    seed: int

    def __post_init__(self) -> None:
        wrong = [n for n in self.labels if n <= 0 or (isinstance(n, float) and n > 1)]
        if wrong or not self.labels or self.draws < 1:
            raise UserError(
                f"labels={self.labels} with draws={self.draws} are label budgets and how often each is drawn: choose "
                "counts from 1, fractions up to 1.0, and at least 1 draw"
            )

    def accuracies(
        self, y: Tensor, choose: Callable[[Tensor], Setting], accuracy: Callable[[Tensor, Setting], float]
    ) -> tuple[dict[str, float], dict[str, Setting]]:
        """accuracy, accuracy_<labels> and its deviation over draws; and the hyperparameter of each budget by suffix.

        Of a classifier that `accuracy` trains on the examples at the given positions, with the hyperparameter that
        `choose` returned for the first draw of the budget. y: (N,). A budget of more labels than there are is left out.
        NotApplicable where all are of one class.
        """
        known = y[y >= 0]
        if len(known.unique()) < 2:
            raise NotApplicable(
                "the labelled training examples are of one class: choose class_filter=all, or another evaluation"
            )
        metrics: dict[str, float] = {}
        settings: dict[str, Setting] = {}
        for labels in self.labels:
            n = labels if isinstance(labels, int) else round(labels * len(known))
            if n == len(known):
                everything = draw(y, labels, self.stratified, 0)
                settings[""] = choose(everything)
                metrics["accuracy"] = accuracy(everything, settings[""])
            elif 1 <= n < len(known):
                drawn = [draw(y, labels, self.stratified, self.seed * 1_000 + i) for i in range(self.draws)]
                setting = settings[f"_{labels:g}"] = choose(drawn[0])
                each = [accuracy(positions, setting) for positions in drawn]
                metrics[f"accuracy_{labels:g}"] = float(np.mean(each))
                metrics[f"accuracy_{labels:g}_std"] = float(np.std(each, ddof=1)) if len(each) > 1 else float("nan")
        return metrics, settings


def selection_facts(val: Examples, what: str) -> dict[str, str]:
    """How hyperparameters were chosen, and by how many labels, which a label budget does not count."""
    n = int((val.y >= 0).sum())
    chosen = f"by accuracy on {n} labelled validation examples, at the first draw of each label budget"
    return {what: chosen if n else "the first of the candidates: the validation part has no labels"}
