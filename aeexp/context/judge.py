"""The judge: the classifier whose last hidden layer is the feature space of the Frechet distance and its kin.

It is trained here, on the labelled training examples, with early stopping on the validation loss: the network
trained on ImageNet that takes this part in the papers knows little of digits or heart beats. It depends on the data,
its settings and its seed alone, so all models that are trained on one split share one: it is kept in the folder
`cache`, as `classifier-<digest>.ckpt`, with its accuracies. The digest is of the examples and of all settings.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aeexp.context.base import Splits, refuse_without_labels
from aeexp.context.judge_network import Classifier, accuracy, labelled, mean_loss
from aeexp.data.examples import Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.files import write
from aeexp.training.checkpoints import packed, unpacked
from aeexp.training.classifier import best_epoch, classifier_epochs

CACHE = "evaluation.generation.judge.cache"


@dataclass(frozen=True)
class TrainedJudge:
    """A trained classifier, its accuracy on the test and the validation examples, its epochs, and its digest."""

    classifier: Classifier
    accuracy: float
    val_accuracy: float
    epochs: int
    digest: str

    @torch.no_grad()
    def describe(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, width)"""
        return self.classifier.describe(x)

    @torch.no_grad()
    def classes(self, features: Tensor) -> Tensor:
        """(B, width) -> the labels that it gives, (B,)"""
        return self.classifier.head(features).argmax(1)


class Judge:
    """`channels`: of the convolutions, where examples are images; else `hidden` units read them.

    Trained until its validation accuracy is `sufficient`, or `patience` epochs in a row bring no lower validation loss,
    for at most `epochs`; it keeps the weights of the lowest loss. `gate` is the validation accuracy under which it does
    not judge, `gates` the same by the name of a data set.
    """

    def __init__(
        self,
        cache: str,
        channels: list[int],
        hidden: int,
        width: int,
        epochs: int,
        patience: int,
        sufficient: float,
        batch_size: int,
        lr: float,
        gate: float,
        gates: dict[str, float],
        seed: int,
    ) -> None:
        if min(hidden, width, epochs, patience, batch_size, *channels) < 1 or not channels:
            raise UserError(
                f"the judge has channels={channels}, hidden={hidden}, width={width}, epochs={epochs}, "
                f"patience={patience} and batch_size={batch_size}: choose at least 1 of each"
            )
        if not all(0 <= each <= 1 for each in (sufficient, gate, *gates.values())):
            raise UserError(
                f"the judge has sufficient={sufficient}, gate={gate} and gates={gates}: choose accuracies from 0 to 1"
            )
        self.cache, self.gate, self.gates = Path(cache), gate, gates
        self.channels, self.hidden, self.width, self.epochs, self.patience = channels, hidden, width, epochs, patience
        self.sufficient, self.batch_size, self.lr, self.seed = sufficient, batch_size, lr, seed

    def train(self, data: Splits) -> TrainedJudge:
        """From the cache, or trained and kept there. NotApplicable under the gate or without labels of two classes."""
        refuse_without_labels(data.train, data.val, data.test)
        train, val = (labelled(part) for part in (data.train, data.val))
        if len(train.y.unique()) < 2:
            raise NotApplicable("a classifier needs examples of two classes: choose class_filter=all, or more labels")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            classifier = Classifier(data.shape, data.classes, data.scale, self.channels, self.hidden, self.width)
            digest = self._digest(train, val, data)
            path = self.cache / f"classifier-{digest}.ckpt"
            if not path.exists():
                _keep(path, self._fit(classifier, train, val) | {"accuracy": accuracy(classifier, data.test)})
        kept = _read(path)
        classifier.load_state_dict(kept["weights"])
        judge = TrainedJudge(classifier, kept["accuracy"], kept["val_accuracy"], kept["epochs"], digest)
        gate = self.gates.get(data.name or "", self.gate)
        if judge.val_accuracy < gate:
            raise NotApplicable(
                f"the judge classifies {judge.val_accuracy:.1%} of the validation examples of data={data.name} right, "
                f"below its gate of {gate:.1%}: choose a better evaluation.generation.judge, or a lower gate"
            )
        return judge

    def _fit(self, classifier: Classifier, train: Examples, val: Examples) -> dict[str, Any]:
        """Leaves the classifier with the weights of its best epoch."""
        optimizer = torch.optim.Adam(classifier.parameters(), self.lr)
        training = classifier_epochs(classifier, optimizer, train, self.batch_size, self.seed)
        epochs = self._until_sufficient(training, classifier, val)
        candidates = range(1, self.epochs + 1)
        best = best_epoch(classifier, epochs, lambda: -mean_loss(classifier, val), candidates, self.patience)
        return {"weights": classifier.state_dict(), "val_accuracy": accuracy(classifier, val), "epochs": best}

    def _until_sufficient(self, epochs: Iterator[int], classifier: Classifier, val: Examples) -> Iterator[int]:
        for epoch in epochs:
            yield epoch
            if accuracy(classifier, val) >= self.sufficient:
                return

    def _digest(self, train: Examples, val: Examples, data: Splits) -> str:
        own = {name: value for name, value in vars(self).items() if name not in ("cache", "gate", "gates")}
        settings = [own, list(data.shape), data.classes, data.scale, train.factor]
        digest = hashlib.sha256(json.dumps(settings).encode())
        for part in (train.x, train.y, val.x, val.y, data.test.x, data.test.y):
            digest.update(part.contiguous().numpy().data)
        return digest.hexdigest()[:16]


def _keep(path: Path, content: dict[str, Any]) -> None:
    """Another process finds all of it, or nothing."""
    try:
        write(path, packed(content))
    except OSError as error:
        raise UserError(f"no classifier can be kept in {path.parent} ({error}): choose another {CACHE}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return unpacked(path)
    except Exception:
        raise UserError(f"{path} is damaged: remove it, and it is made again, or choose another {CACHE}") from None
