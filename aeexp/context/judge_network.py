"""The network of the judge: a convolutional classifier for images, a perceptron for all else; its loss and accuracy."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from aeexp.data.examples import BATCH, Examples


class Classifier(nn.Module):
    """Examples (B, *shape) in [0, scale] -> logits (B, classes); `features` gives (B, width)."""

    def __init__(
        self, shape: tuple[int, ...], classes: int, scale: float, channels: list[int], hidden: int, width: int
    ) -> None:
        super().__init__()
        layers = _convolutions(shape[0], channels) if len(shape) == 3 else [nn.Flatten(), nn.LazyLinear(hidden)]
        self.features = nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.LazyLinear(width), nn.ReLU())
        self.head, self.scale = nn.Linear(width, classes), scale
        self(torch.zeros(1, *shape))  # the lazy layers learn their sizes

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.describe(x))

    def describe(self, x: Tensor) -> Tensor:
        return self.features(x / self.scale)


def _convolutions(channels: int, widths: list[int]) -> list[nn.Module]:
    """Each halves the image, up to a last pixel; the activation after the last one is the caller's."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
        channels = width
    return layers


def labelled(part: Examples) -> Examples:
    labelled = torch.nonzero(part.y >= 0)[:, 0]
    return Examples(part.x[labelled], part.y[labelled], part.factor)


@torch.no_grad()
def mean_loss(classifier: Classifier, part: Examples) -> float:
    """Mean cross-entropy"""
    losses = [cross_entropy(classifier(x), y, reduction="none") for x, y in part.batches(BATCH)]
    return torch.cat(losses).double().mean().item()


@torch.no_grad()
def accuracy(classifier: Classifier, part: Examples) -> float:
    """The fraction of the labelled examples that are classified right."""
    right = torch.cat([classifier(batch.x).argmax(1) == batch.y for batch in part.batches(BATCH)])
    return right[part.y >= 0].double().mean().item()
