"""Fine-tuning: accuracy of the pretrained encoder with a classifier head, trained on few labels.

The second phase of table=semi_supervised: a head of `hidden` units and one logit a class on the mean code, softmax
cross-entropy on the labelled training examples, encoder and head together, or the head alone where the encoder is
`frozen`. The encoder's moments of the optimizer go on from the first phase; the head starts afresh.
`labels` of the labelled training examples, drawn `draws` times where that is not all of them.
A purely supervised network is `model=random`, an encoder without pretraining.
"""

import copy
from collections.abc import Callable, Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from aeexp.activations import activation as named
from aeexp.context.base import EvaluationContext, Result, refuse_without_labels
from aeexp.context.label_budgets import LabelBudgets
from aeexp.data.examples import Examples
from aeexp.models.base import Autoencoder
from aeexp.training.classifier import train_classifier


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
        epochs: int,
        batch_size: int,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        seed: int,
    ) -> None:
        self.hidden, self.activation, self.initialization = hidden, activation, initialization
        self.frozen, self.epochs, self.batch_size = frozen, epochs, batch_size
        self.optimizer, self.seed = optimizer, seed
        self.budgets = LabelBudgets(labels, draws, stratified, seed)

    def __call__(self, context: EvaluationContext) -> Result:
        """Leaves the context's model and optimizer as they are."""
        train, test = context.data.train, context.data.test
        refuse_without_labels(train, test)

        def accuracy(chosen: Tensor) -> float:
            labelled = Examples(train.x[chosen], train.y[chosen], train.factor)
            classifier = self._trained(context, labelled)
            right = context.map(lambda batch: classifier(batch.x).argmax(1) == batch.y, test)
            return right.double().mean().item()

        labels = float((train.y >= 0).sum())
        return Result({**self.budgets.accuracies(train.y, accuracy), "labels": labels})

    def _trained(self, context: EvaluationContext, data: Examples) -> "Classifier":
        torch.manual_seed(self.seed)
        model, first_phase = copy.deepcopy((context.model, context.optimizer))
        model.requires_grad_(not self.frozen)
        head = self._head(context.codes(context.data.test).shape[1], context.data.classes)
        classifier = Classifier(model, head)
        trained = [p for p in classifier.parameters() if p.requires_grad]
        optimizer = self.optimizer(trained)
        if first_phase is not None:
            optimizer.state.update({p: first_phase.state[p] for p in trained if p in first_phase.state})
        train_classifier(classifier, optimizer, data, self.epochs, self.batch_size, self.seed)
        return classifier

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
