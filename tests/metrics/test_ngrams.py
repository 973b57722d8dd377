"""n-gram models against the recursion, written out with dictionaries."""

from itertools import product
from math import log

import pytest
import torch

from aeexp.metrics.ngrams import NGrams

TRAIN = [[1, 2, 1, 0], [1, 1, 0], [2, 1, 2, 1, 0]]
SIZE = 3


def padded(sequences, length=6):
    return torch.tensor([[*sequence, *[-1] * (length - len(sequence))] for sequence in sequences])


def grams(n):
    """(context, symbol) of each place, with the start before the first."""
    for sequence in TRAIN:
        started = [SIZE] * (n - 1) + sequence
        for i in range(len(sequence)):
            yield tuple(started[i : i + n - 1]), sequence[i]


def probability(symbol, before, n):
    if n == 0:
        return 1 / SIZE
    context = tuple(([SIZE] * n + list(before))[len(before) + 1 :])
    follow = [v for c, v in grams(n) if c == context]
    lower = probability(symbol, before, n - 1)
    if not follow:
        return lower
    kinds = len({*follow})
    return (follow.count(symbol) + kinds * lower) / (len(follow) + kinds)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_nats_are_those_of_the_recursion(order):
    tests = [[1, 2, 2, 0], [0], [2, 1, 1, 2, 0]]
    found = NGrams(padded(TRAIN), SIZE, 4).nats(padded(tests))
    expected = [-sum(log(probability(s[i], s[:i], order)) for i in range(len(s))) for s in tests]
    assert found[order - 1] == pytest.approx(sum(expected) / len(tests))


def test_probabilities_of_all_sequences_of_one_length_sum_to_one():
    model = NGrams(padded(TRAIN), SIZE, 3)
    every = [list(sequence) for sequence in product(range(SIZE), repeat=3)]
    total = sum(torch.tensor(-model.nats(torch.tensor([sequence]))[-1]).exp().item() for sequence in every)
    assert total == pytest.approx(1, abs=1e-5)


def test_drawn_sequences_have_the_probabilities():
    drawn = NGrams(padded(TRAIN), SIZE, 3).draw(20_000, 2, 3, torch.Generator().manual_seed(0))
    for first, second in product(range(SIZE), repeat=2):
        p = probability(first, [], 3) * probability(second, [first], 3)
        share = ((drawn[:, 0] == first) & (drawn[:, 1] == second)).double().mean().item()
        assert share == pytest.approx(p, abs=4 * (p / 20_000) ** 0.5 + 1e-4)
