"""k nearest neighbours on the frozen code: accuracy.

    y^(q) = the commonest label among the k training codes that are nearest to q; of equally common ones the smallest

Cover and Hart (1967), Nearest neighbor pattern classification.

    accuracy, accuracy_<labels>, accuracy_<labels>_std    on the test set, with `labels` of the labelled training
                    examples, drawn `draws` times from `seed`: mean and deviation over draws
    k, k_<labels>   the number of neighbours, chosen with the geometry (a fact of the result, by name) from lists of
                    candidates by the accuracy on the labelled validation examples, once for each label budget, at its
                    first draw

On the mean code. The label budget counts training labels; the choice sees the labels of the validation part as well.
"""

from torch import Tensor

from aeexp.context.base import EvaluationContext, Result, refuse_without_labels
from aeexp.context.label_budgets import LabelBudgets, selection_facts
from aeexp.data.examples import Examples
from aeexp.errors import UserError
from aeexp.metrics.neighbours import Geometry, Neighbours, majority_vote

Chosen = tuple[str, int]  # a geometry's name, and k


class KNN:
    """`k` and `geometries`: candidates, of which the first are taken where the validation part has no labels."""

    def __init__(
        self,
        k: list[int],
        geometries: dict[str, Geometry],
        labels: list[int | float],
        draws: int,
        stratified: bool,
        seed: int,
    ) -> None:
        if not k or min(k) < 1 or not geometries:
            raise UserError(
                f"knn.k={k} and geometries={[*geometries]} are candidates: choose numbers from 1, and a name"
            )
        self.k, self.geometries = k, geometries
        self.budgets = LabelBudgets(labels, draws, stratified, seed)

    def __call__(self, context: EvaluationContext) -> Result:
        """NotApplicable without labels of two classes."""
        data = context.data
        refuse_without_labels(data.train, data.test)
        codes = context.codes(data.train)
        train = {name: geometry.place(codes, codes) for name, geometry in self.geometries.items()}
        val, test = (self._labelled(context, part) for part in (data.val, data.test))

        def choose(positions: Tensor) -> Chosen:
            candidates = [(name, k) for name in self.geometries for k in self.k]
            if len(candidates) == 1 or not len(val[1]):
                return candidates[0]
            return self.best(train, data.train.y, positions, *val)

        def accuracy(positions: Tensor, chosen: Chosen) -> float:
            name, k = chosen
            nearest = Neighbours(train[name][positions]).nearest(test[0][name], k)
            return _accuracy(data.train.y[positions][nearest], test[1])

        metrics, choices = self.budgets.accuracies(data.train.y, choose, accuracy)
        metrics |= {f"k{suffix}": float(k) for suffix, (_, k) in choices.items()}
        names = {f"geometry{suffix}": name for suffix, (name, _) in choices.items()}
        return Result(metrics, facts=names | selection_facts(data.val, "k"))

    def best(
        self, train: dict[str, Tensor], y: Tensor, positions: Tensor, val: dict[str, Tensor], val_y: Tensor
    ) -> Chosen:
        """The candidate of the best accuracy on the validation codes; of equal ones the first geometry, the least k."""
        accuracies: dict[Chosen, float] = {}
        for name in self.geometries:
            nearest = Neighbours(train[name][positions]).nearest(val[name], max(self.k))
            labels = y[positions][nearest]  # (M, largest k)
            accuracies |= {(name, k): _accuracy(labels[:, :k], val_y) for k in sorted(self.k)}
        return max(accuracies, key=lambda candidate: accuracies[candidate])

    def _labelled(self, context: EvaluationContext, part: Examples) -> tuple[dict[str, Tensor], Tensor]:
        """The codes of the labelled examples of a part, by geometry, and their labels."""
        known, codes = part.y >= 0, context.codes(context.data.train)
        z = context.codes(part)[known] if known.any() else codes[:0]
        return {name: geometry.place(z, codes) for name, geometry in self.geometries.items()}, part.y[known]


def _accuracy(labels: Tensor, y: Tensor) -> float:
    """Labels of the neighbours (M, k), and the true ones (M,)"""
    return (majority_vote(labels) == y).double().mean().item()
