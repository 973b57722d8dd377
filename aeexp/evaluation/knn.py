"""k nearest neighbours on the frozen code: accuracy.

    y^(q) = the commonest label among the k training codes that are nearest to q; of equally common ones the smallest

Cover and Hart (1967), Nearest neighbor pattern classification. On the mean code, in the coordinates of `geometry`;
accuracy on the test set, where `labels` of the training examples are known, drawn `draws` times.
"""

from torch import Tensor

from aeexp.context.base import EvaluationContext, Result, refuse_without_labels
from aeexp.context.label_budgets import LabelBudgets
from aeexp.errors import UserError
from aeexp.metrics.neighbours import Geometry, Neighbours, majority_vote


class KNN:
    def __init__(
        self, k: int, geometry: Geometry, labels: list[int | float], draws: int, stratified: bool, seed: int
    ) -> None:
        if k < 1:
            raise UserError(f"knn.k={k} is a number of neighbours: choose at least 1")
        self.k, self.geometry = k, geometry
        self.budgets = LabelBudgets(labels, draws, stratified, seed)

    def __call__(self, context: EvaluationContext) -> Result:
        train, test = context.data.train, context.data.test
        refuse_without_labels(train, test)
        return Result(self.score(context.codes(train), train.y, context.codes(test), test.y))

    def score(self, z: Tensor, y: Tensor, test_z: Tensor, test_y: Tensor) -> dict[str, float]:
        """Codes (N, D) and labels (N,) -> accuracy, accuracy_<labels>, and its deviation over draws."""
        known, queries = self.geometry.place(z, z), self.geometry.place(test_z[test_y >= 0], z)

        def accuracy(chosen: Tensor) -> float:
            labels = y[chosen][Neighbours(known[chosen]).nearest(queries, self.k)]  # (M, k)
            return (majority_vote(labels) == test_y[test_y >= 0]).double().mean().item()

        return self.budgets.accuracies(y, accuracy)
