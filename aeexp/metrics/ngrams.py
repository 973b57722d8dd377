"""n-gram models of sequences of symbols. Witten and Bell (1991), The zero-frequency problem, method C:

    p_n(v | c) = (N(c v) + T(c) p_n-1(v | c')) / (N(c) + T(c)),    p_0(v | ) = 1 / V

c is the n - 1 symbols before v, c' without the first of them, N counts in the training sequences, T(c) how many
different symbols follow c there; p_n = p_n-1 where c was never seen.
"""

from math import log2

import numpy as np
import torch
from torch import Tensor


class NGrams:
    """Of units (N, T) int64, below `size`, -1 after the end of a sequence; before its first is a start. n is at most
    `order`, and such that (size + 1)^n, how many n-grams there can be, is an int64."""

    def __init__(self, units: Tensor, size: int, order: int) -> None:
        self.size, self.base = size, size + 1  # and the start
        self.grams: list[tuple[np.ndarray, np.ndarray]] = []  # for n = 1, 2, ...: c v as a number, and N(c v)
        order = min(order, int(63 / log2(self.base)))
        self.contexts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []  # c, N(c), T(c)
        known = units.numpy()[units.numpy() >= 0]
        for c in self._contexts(units.numpy(), order):
            self._extend(c, known)

    def nats(self, units: Tensor) -> list[float]:
        """-log p_n of the sequences (M, T), for n = 1 to the order: nats a sequence, averaged."""
        array = units.numpy()
        v = array[array >= 0][:, None]
        p, found = np.full(v.shape, 1 / self.size), []
        for n, c in enumerate(self._contexts(array, len(self.grams))):
            p = self._next(n, c, v, p)
            found.append(float(-np.log(p).sum() / len(array)))
        return found

    def draw(self, n: int, length: int, order: int, generator: torch.Generator) -> Tensor:
        """Units (n, length), from p_order; what comes after an end, unit 0, is to be cut off."""
        before, v = np.full((n, order), self.size), np.arange(self.size)[None]
        for _ in range(length):
            p = np.full((n, self.size), 1 / self.size)
            c = np.zeros(n, np.int64)
            for m in range(order):
                p = self._next(m, c, v, p)
                c = c + before[:, -1 - m] * self.base**m
            drawn = torch.as_tensor(p).multinomial(1, generator=generator).numpy()
            before = np.concatenate([before, drawn], 1)
        return torch.as_tensor(before[:, order:])

    def _contexts(self, units: np.ndarray, order: int) -> list[np.ndarray]:
        """c of every known unit, as a number, for n = 1 to order: (number of known units,) each"""
        padded = np.pad(units, ((0, 0), (order, 0)), constant_values=self.size)
        known, found = units >= 0, [np.zeros((units >= 0).sum(), np.int64)]
        for n in range(1, order):
            before = padded[:, order - n : padded.shape[1] - n]
            found.append(found[-1] + before[known] * self.base ** (n - 1))
        return found

    def _extend(self, c: np.ndarray, v: np.ndarray) -> None:
        grams, counts = np.unique(c * self.base + v, return_counts=True)
        contexts, places, kinds = np.unique(grams // self.base, return_index=True, return_counts=True)
        self.grams.append((grams, counts))
        self.contexts.append((contexts, np.add.reduceat(counts, places), kinds))

    def _next(self, n: int, c: np.ndarray, v: np.ndarray, p: np.ndarray) -> np.ndarray:
        """p_n+1 of v (N, s) after c (N,), by p_n of the same"""
        contexts, total, kinds = self.contexts[n]
        of = _found(contexts, c)
        seen = (of >= 0)[:, None]
        gram = _found(self.grams[n][0], c[:, None] * self.base + v)
        count = np.where(gram >= 0, self.grams[n][1][gram], 0)
        return np.where(seen, (count + kinds[of][:, None] * p) / (total[of] + kinds[of])[:, None], p)


def _found(sorted_numbers: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each is, -1 of what is not there."""
    places = np.searchsorted(sorted_numbers, wanted).clip(max=len(sorted_numbers) - 1)
    return np.where(sorted_numbers[places] == wanted, places, -1)
