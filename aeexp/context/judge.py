"""Features to compare images by: the last hidden layer of a classifier, trained here on the labelled training examples.

It plays the part that a network trained on ImageNet has in the papers, which knows little of digits or heart beats. It
depends on the data, its settings and its seed alone, so all models that are trained on one split share one: it is kept
in the folder `cache`, as `classifier-<digest>.ckpt`, with its accuracy on the test examples. The digest is of the
examples and of all settings.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aeexp.context.base import Splits, refuse_without_labels
from aeexp.data.examples import BATCH, Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.files import write
from aeexp.training.checkpoints import packed
from aeexp.training.classifier import train_classifier

CACHE = "evaluation.generation.features.cache"


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
class Judge:
    """A trained classifier, the fraction of the test examples that it is right about, and what it is known by."""

    classifier: Classifier
    accuracy: float
    digest: str

    @torch.no_grad()
    def describe(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, width)"""
        return self.classifier.describe(x)

    @torch.no_grad()
    def classes(self, features: Tensor) -> Tensor:
        """(B, width) -> the labels that it gives, (B,)"""
        return self.classifier.head(features).argmax(1)


class Features:
    """`channels`: of the convolutions, where examples are images; else `hidden` units read them."""

    def __init__(
        self,
        cache: str,
        channels: list[int],
        hidden: int,
        width: int,
        epochs: int,
        batch_size: int,
        lr: float,
        seed: int,
    ) -> None:
        if min(hidden, width, epochs, batch_size, *channels) < 1 or not channels:
            raise UserError(
                f"the classifier has channels={channels}, hidden={hidden}, width={width}, epochs={epochs} and "
                f"batch_size={batch_size}: choose at least 1 of each"
            )
        self.cache = Path(cache)
        self.channels, self.hidden, self.width = channels, hidden, width
        self.epochs, self.batch_size, self.lr, self.seed = epochs, batch_size, lr, seed

    def of(self, data: Splits) -> Judge:
        """From the folder, or trained and put there. NotApplicable where the data do not tell two classes apart."""
        refuse_without_labels(data.train, data.test)
        labelled = torch.nonzero(data.train.y >= 0)[:, 0]
        train = Examples(data.train.x[labelled], data.train.y[labelled], data.train.factor)
        if len(train.y.unique()) < 2:
            raise NotApplicable("a classifier needs examples of two classes: choose class_filter=all, or more labels")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            classifier = Classifier(data.shape, data.classes, data.scale, self.channels, self.hidden, self.width)
            digest = self._digest(train, data)
            path = self.cache / f"classifier-{digest}.ckpt"
            if not path.exists():
                optimizer = torch.optim.Adam(classifier.parameters(), self.lr)
                train_classifier(classifier, optimizer, train, self.epochs, self.batch_size, self.seed)
                _keep(path, {"weights": classifier.state_dict(), "accuracy": _accuracy(classifier, data.test)})
        kept = _read(path)
        classifier.load_state_dict(kept["weights"])
        return Judge(classifier, kept["accuracy"], digest)

    def _digest(self, train: Examples, data: Splits) -> str:
        settings = {name: value for name, value in vars(self).items() if name != "cache"}
        told = [settings, list(data.shape), data.classes, data.scale, train.factor]
        digest = hashlib.sha256(json.dumps(told).encode())
        for part in (train.x, train.y, data.test.x, data.test.y):
            digest.update(part.contiguous().numpy().data)
        return digest.hexdigest()[:16]


def _convolutions(channels: int, widths: list[int]) -> list[nn.Module]:
    """Each halves the image, up to a last pixel; the activation after the last one is the caller's."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
        channels = width
    return layers


@torch.no_grad()
def _accuracy(classifier: Classifier, test: Examples) -> float:
    right = torch.cat([classifier(batch.x).argmax(1) == batch.y for batch in test.batches(BATCH)])
    return right[test.y >= 0].double().mean().item()


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
