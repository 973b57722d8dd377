"""The plain training of a classifier that some protocols need."""

from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from aeexp.data.examples import Examples, Shuffled


def train_classifier(
    classifier: nn.Module, optimizer: Optimizer, data: Examples, epochs: int, batch_size: int, seed: int
) -> None:
    """Softmax cross-entropy on the labels of `data`, whose order depends on `seed` and the epoch alone."""
    batches = Shuffled(len(data), batch_size, seed, world=1, rank=0)
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        for index in batches:
            x, y = data[index]
            optimizer.zero_grad()
            cross_entropy(classifier(x), y).backward()
            optimizer.step()
