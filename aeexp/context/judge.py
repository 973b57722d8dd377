"""The judge: the classifier whose last hidden layer is the feature space of the Frechet distance and its kin.

It is trained here, on the labelled training examples, with early stopping on the validation loss: the network
trained on ImageNet that takes this part in the papers knows little of digits or heart beats. It depends on the data,
its settings and its seed alone, so all models that are trained on one split share one: it is kept in the folder
`cache`, as `classifier-<digest>.ckpt`, with its accuracies. The digest is of the examples and of all settings.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from aeexp.context.base import Splits, refuse_without_labels
from aeexp.data.examples import BATCH, Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.files import write
from aeexp.training.checkpoints import packed
from aeexp.training.classifier import best_epoch, classifier_epochs

CACHE = "evaluation.generation.judge.cache"


class Classifier(nn.Module):
    """Examples (B, *shape) in [0, scale] -> logits (B, classes); `features` gives (B, width)."""

    def __init__(
        self, shape: tuple[int, ...], classes: int, scale: float, channels: list[int], hidden: int, width: int
    ) -> None:
        super().__init__()
        trunk = _convolutions(shape[0], channels) if len(shape) == 3 else [nn.Flatten(), nn.LazyLinear(hidden)]
        self.features = nn.Sequential(*trunk, nn.ReLU(), nn.Flatten(), nn.LazyLinear(width), nn.ReLU())
        self.head, self.scale = nn.Linear(width, classes), scale
        self(torch.zeros(1, *shape))  # the lazy layers learn their sizes

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.describe(x))

    def describe(self, x: Tensor) -> Tensor:
        return self.features(x / self.scale)


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

    Trained for at most `epochs`, until `patience` of them in a row bring no lower validation loss. `gate` is the
    validation accuracy under which it does not judge, `gates` the same by the name of a data set.
    """

    def __init__(
        self,
        cache: str,
        channels: list[int],
        hidden: int,
        width: int,
        epochs: int,
        patience: int,
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
        if not all(0 <= each <= 1 for each in (gate, *gates.values())):
            raise UserError(f"the judge has gate={gate} and gates={gates}: choose accuracies from 0 to 1")
        self.cache, self.gate, self.gates = Path(cache), gate, gates
        self.settings = {"channels": channels, "hidden": hidden, "width": width, "epochs": epochs}
        self.settings |= {"patience": patience, "batch_size": batch_size, "lr": lr, "seed": seed}
        self.channels, self.hidden, self.width, self.epochs = channels, hidden, width, epochs
        self.patience, self.batch_size, self.lr, self.seed = patience, batch_size, lr, seed

    def train(self, data: Splits) -> TrainedJudge:
        """From the cache, or trained and kept there. NotApplicable under the gate or without labels of two classes."""
        refuse_without_labels(data.train, data.val, data.test)
        train, val = (_labelled(part) for part in (data.train, data.val))
        if len(train.y.unique()) < 2:
            raise NotApplicable("a classifier needs examples of two classes: choose class_filter=all, or more labels")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            classifier = Classifier(data.shape, data.classes, data.scale, self.channels, self.hidden, self.width)
            digest = self._digest(train, val, data)
            path = self.cache / f"classifier-{digest}.ckpt"
            if not path.exists():
                _keep(path, self._fit(classifier, train, val) | {"accuracy": _accuracy(classifier, data.test)})
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
        epochs = classifier_epochs(classifier, optimizer, train, self.batch_size, self.seed)
        candidates = range(1, self.epochs + 1)
        best = best_epoch(classifier, epochs, lambda: -_loss(classifier, val), candidates, self.patience)
        return {"weights": classifier.state_dict(), "val_accuracy": _accuracy(classifier, val), "epochs": best}

    def _digest(self, train: Examples, val: Examples, data: Splits) -> str:
        settings = [self.settings, list(data.shape), data.classes, data.scale, train.factor]
        digest = hashlib.sha256(json.dumps(settings).encode())
        for part in (train.x, train.y, val.x, val.y, data.test.x, data.test.y):
            digest.update(part.contiguous().numpy().data)
        return digest.hexdigest()[:16]


def _convolutions(channels: int, widths: list[int]) -> list[nn.Module]:
    """Each halves the image, up to a last pixel; the activation after the last one is the caller's."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
        channels = width
    return layers


def _labelled(part: Examples) -> Examples:
    labelled = torch.nonzero(part.y >= 0)[:, 0]
    return Examples(part.x[labelled], part.y[labelled], part.factor)


@torch.no_grad()
def _loss(classifier: Classifier, part: Examples) -> float:
    """Mean cross-entropy"""
    losses = [cross_entropy(classifier(x), y, reduction="none") for x, y in part.batches(BATCH)]
    return torch.cat(losses).double().mean().item()


@torch.no_grad()
def _accuracy(classifier: Classifier, part: Examples) -> float:
    """The fraction of the labelled examples that are classified right."""
    right = torch.cat([classifier(batch.x).argmax(1) == batch.y for batch in part.batches(BATCH)])
    return right[part.y >= 0].double().mean().item()


def _keep(path: Path, content: dict[str, Any]) -> None:
    """Another process finds all of it, or nothing."""
    try:
        write(path, packed(content))
    except OSError as error:
        raise UserError(f"no classifier can be kept in {path.parent} ({error}): choose another {CACHE}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return torch.load(path, weights_only=True)
    except Exception:
        raise UserError(f"{path} is damaged: remove it, and it is made again, or choose another {CACHE}") from None
