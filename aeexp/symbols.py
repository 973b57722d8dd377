"""Sequences of symbols, one-hot: what a row of an example says.

An example (T, V) has a row for each of its symbols, 1 at the symbol's unit and 0 elsewhere, then one row of the end,
unit 0, and rows of zeros after it, which are none of the sequence.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

END = 0  # the unit of the end


class Property(NamedTuple):
    """A number of each of N texts that can be predicted from them."""

    name: str
    values: Tensor  # (N,) float64
    features: Tensor | None  # (N, F), what it is predicted from where no code is learnt


class Language:
    """What is known of texts of one kind."""

    def valid(self, text: str) -> bool | None:
        """Whether it is what such texts should be; None where nobody knows."""
        return None

    def property(self, texts: list[str]) -> Property | None:
        """Of valid texts; None where there is none. UserError where the library that computes it is missing."""
        return None


@dataclass(frozen=True)
class Vocabulary:
    symbols: tuple[str, ...]  # those of unit 1, 2, and so on
    glue: str  # between the symbols of a text
    language: Language

    def one_hot(self, sequences: list[list[str]], length: int) -> Tensor:
        """(N, length, V) bytes of sequences of known symbols, each shorter than `length`"""
        unit = {symbol: i for i, symbol in enumerate(self.symbols, 1)}
        counts = torch.tensor([len(sequence) + 1 for sequence in sequences])
        units = torch.tensor([i for sequence in sequences for i in (*(unit[symbol] for symbol in sequence), END)])
        example = torch.arange(len(sequences)).repeat_interleave(counts)
        place = torch.arange(len(units)) - (counts.cumsum(0) - counts)[example]
        x = torch.zeros(len(sequences), length, len(self.symbols) + 1, dtype=torch.uint8)
        x[example, place, units] = 1
        return x

    def texts(self, x: Tensor) -> list[str]:
        """Of each of the examples (N, T, V), the symbols before its end; of probabilities, the likeliest ones."""
        return [
            self.glue.join(self.symbols[unit - 1] for unit in units[:length])
            for units, length in zip(x.argmax(2).tolist(), lengths(x).tolist(), strict=True)
        ]


def lengths(x: Tensor) -> Tensor:
    """How many symbols come before the end, or before what is none of the sequence: (N, T, V) -> (N,) int64"""
    return ((x.argmax(2) != END) & x.bool().any(2)).cumprod(1).sum(1)


def until_end(x: Tensor) -> Tensor:
    """One-hot rows (N, T, V), with zeros after the first end."""
    ended = x[..., END].cumsum(1) - x[..., END]  # ends before a row
    return x * (ended == 0)[..., None]
