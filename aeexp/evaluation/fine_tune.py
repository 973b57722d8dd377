"""Fine-tuning: accuracy of the pretrained encoder with a classifier head, trained on few labels.

The second phase of table=semi_supervised: a head of `hidden` units and one logit a class on the mean code, softmax
cross-entropy on the labelled training examples, encoder and head together, or the head alone where the encoder is
`frozen`. The encoder's moments of the optimizer go on from the first phase; the head starts afresh.

    accuracy, accuracy_<labels>, accuracy_<labels>_std    on the test set, with `labels` of the labelled training
                    examples, drawn `draws` times where that is not all of them: mean and deviation over draws
    epochs, epochs_<labels>    chosen from a list of candidates by the accuracy on the labelled validation examples,
                    once for each label budget, at its first draw
    labels          labelled training examples

A purely supervised network is `model=random`, an encoder without pretraining.
"""

import copy
from collections.abc import Callable, Iterable
from itertools import islice, pairwise

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from aeexp.activations import activation as named
from aeexp.context.base import EvaluationContext, Result, refuse_without_labels
from aeexp.context.label_budgets import LabelBudgets, selection_facts
from aeexp.data.examples import Examples
from aeexp.errors import UserError
from aeexp.models.base import Autoencoder
from aeexp.training.classifier import best_epoch, classifier_epochs


class FineTune:
    def __init__(
        self,
        labels: list[int | float],
        draws: int,
        stratified: bool,
        hidden: list[int],
        activation: str,
        initialization: Callable[[nn.Module], None],
        frozen: bool,
        epochs: list[int],
        batch_size: int,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        seed: int,
    ) -> None:
        if not epochs or min(epochs) < 1:
            raise UserError(f"fine_tune.epochs={epochs} are candidates: choose a list of numbers from 1")
        self.hidden, self.activation, self.initialization = hidden, activation, initialization
        self.frozen, self.epochs, self.batch_size = frozen, epochs, batch_size
        self.optimizer, self.seed = optimizer, seed
        self.budgets = LabelBudgets(labels, draws, stratified, seed)

    def __call__(self, context: EvaluationContext) -> Result:
        """Leaves the context's model and optimizer as they are."""
        train, val, test = context.data.train, context.data.val, context.data.test
        refuse_without_labels(train, test)

        def choose(positions: Tensor) -> int:
            if len(self.epochs) == 1 or not (val.y >= 0).any():
                return self.epochs[0]
            return self._trained(context, _subset(train, positions), self.epochs)[1]

        def accuracy(positions: Tensor, epochs: int) -> float:
            classifier, _ = self._trained(context, _subset(train, positions), [epochs])
            return _accuracy(context, classifier, test)

        metrics, chosen = self.budgets.accuracies(train.y, choose, accuracy)
        metrics |= {f"epochs{suffix}": float(epochs) for suffix, epochs in chosen.items()}
        facts = selection_facts(val, "epochs") if len(self.epochs) > 1 else {}
        return Result({**metrics, "labels": float((train.y >= 0).sum())}, facts=facts)

    def _trained(self, context: EvaluationContext, data: Examples, candidates: list[int]) -> tuple["Classifier", int]:
        """The classifier, and its epochs: the candidate of the best validation accuracy."""
        torch.manual_seed(self.seed)
        model, first_phase = copy.deepcopy((context.model, context.optimizer))
        model.requires_grad_(not self.frozen)
        head = self._head(context.codes(context.data.test).shape[1], context.data.classes)
        classifier = Classifier(model, head)
        trained = [p for p in classifier.parameters() if p.requires_grad]
        optimizer = self.optimizer(trained)
        if first_phase is not None:
            optimizer.state.update({p: first_phase.state[p] for p in trained if p in first_phase.state})
        epochs = classifier_epochs(classifier, optimizer, data, self.batch_size, self.seed)
        if len(candidates) == 1:
            next(islice(epochs, candidates[0] - 1, None))
            return classifier, candidates[0]
        val = context.data.val
        best = best_epoch(classifier, epochs, lambda: _accuracy(context, classifier, val), candidates, len(candidates))
        return classifier, best

    def _head(self, dim: int, classes: int) -> nn.Module:
        """(B, D) -> (B, classes) logits"""
        sizes = [dim, *self.hidden]
        layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), named(self.activation))]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], classes)).apply(self.initialization)


class Classifier(nn.Module):
    """(B, *shape) -> (B, classes): a head on an autoencoder's mean code."""

    def __init__(self, model: Autoencoder, head: nn.Module) -> None:
        super().__init__()
        self.model, self.head = model, head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.model.encode(x).mean.flatten(1))


def _subset(part: Examples, positions: Tensor) -> Examples:
    return Examples(part.x[positions], part.y[positions], part.factor)


def _accuracy(context: EvaluationContext, classifier: nn.Module, part: Examples) -> float:
    """The fraction of the labelled examples that are classified right."""
    right = context.map(lambda batch: classifier(batch.x).argmax(1) == batch.y, part)
    return right[part.y >= 0].double().mean().item()
