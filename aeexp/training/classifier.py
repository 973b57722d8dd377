"""The training of a classifier by softmax cross-entropy, and the choice of its epoch on validation data."""

import copy
from collections.abc import Callable, Collection, Iterator
from itertools import count
from math import inf

from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from aeexp.data.examples import Examples, Shuffled


def classifier_epochs(
    classifier: nn.Module, optimizer: Optimizer, data: Examples, batch_size: int, seed: int
) -> Iterator[int]:
    """Trains an epoch at each step and yields how many there were; the order depends on `seed` and the epoch alone."""
    batches = Shuffled(len(data), batch_size, seed, world=1, rank=0)
    for epoch in count():
        batches.set_epoch(epoch)
        for index in batches:
            x, y = data[index]
            optimizer.zero_grad()
            cross_entropy(classifier(x), y).backward()
            optimizer.step()
        yield epoch + 1


def best_epoch(
    classifier: nn.Module,
    epochs: Iterator[int],
    score: Callable[[], float],
    candidates: Collection[int],
    patience: int,
) -> int:
    """The candidate epoch of the best validation score; the classifier has its weights afterwards.

    Ends at the last candidate, or after `patience` candidates in a row without a better score.
    """
    best, best_score, waited, weights = 0, -inf, 0, copy.deepcopy(classifier.state_dict())
    for epoch in epochs:
        if epoch in candidates:
            value = score()
            if value > best_score:
                best, best_score, waited, weights = epoch, value, 0, copy.deepcopy(classifier.state_dict())
            else:
                waited += 1
        if epoch >= max(candidates) or waited >= patience:
            break
    classifier.load_state_dict(weights)
    return best
