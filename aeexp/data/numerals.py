"""Numbers in English words: sequences of symbols of which everything is known, without a file."""

from functools import lru_cache
from pathlib import Path

import torch

from aeexp.data.sequences import Sequences
from aeexp.data.sources import Facts, Part
from aeexp.symbols import Property

ONES = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NUMERALS = 10_000


class Numerals(Sequences):
    """The numbers from 0 to 9,999 in English words, letter by letter; y is the number's thousands. No file."""

    def __init__(self) -> None:
        super().__init__("", None, ".", "", None, False)

    def files(self, root: Path) -> list[Path]:
        return []

    def read(self, root: Path) -> list[list[list[str]]]:
        return [[list(text) for text in _numerals()]]

    def describe(self, root: Path) -> Facts:
        return super().describe(root)._replace(classes=NUMERALS // 1000)

    def load(self, root: Path) -> tuple[Part, Part | None]:
        (x, _), test = super().load(root)
        return (x, torch.arange(len(x)) // 1000), test

    def valid(self, text: str) -> bool | None:
        return text in _numerals()

    def property(self, texts: list[str]) -> Property:
        return Property("the number", torch.tensor([_numerals()[text] for text in texts]).double(), None)


def in_words(number: int) -> str:
    """Of a number from 0 to 9,999: seven thousand two hundred forty one"""
    thousands, hundreds, rest = number // 1000, number // 100 % 10, number % 100
    words = [ONES[thousands], "thousand"] if thousands else []
    words += [ONES[hundreds], "hundred"] if hundreds else []
    if rest >= len(ONES):
        words += [TENS[rest // 10], *([ONES[rest % 10]] if rest % 10 else [])]
    elif rest or not words:
        words += [ONES[rest]]
    return " ".join(words)


@lru_cache(maxsize=1)
def _numerals() -> dict[str, int]:
    return {in_words(number): number for number in range(NUMERALS)}
