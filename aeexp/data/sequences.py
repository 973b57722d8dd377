"""Sequences of symbols: the lines of text files."""

import re
from functools import lru_cache
from pathlib import Path

import torch

from aeexp.data.sources import Facts, Part
from aeexp.errors import UserError
from aeexp.symbols import Language, Vocabulary


class Sequences(Language):
    """An example a line of root/`path`; root/`test_path`: a test part, where there is one. Blank lines are read over.

    The matches of `pattern`, a regular expression, are a line's symbols, between which its text has `glue`; the
    vocabulary is that of the training part. An example has room for `length` symbols and the end; length null: for the
    longest line. `leave_out`: lines that are longer, and test lines with a symbol that no training line has, are left
    out; false: UserError.
    """

    of_symbols = True  # whether an example is a sequence of symbols (aeexp/symbols.py)

    def __init__(
        self, path: str, test_path: str | None, pattern: str, glue: str, length: int | None, leave_out: bool
    ) -> None:
        try:
            self.pattern = re.compile(pattern)
        except re.error as error:
            raise UserError(
                f"data.source.pattern={pattern} is no regular expression ({error}): choose one, such as '.'"
            ) from None
        if length is not None and length < 1:
            raise UserError(f"data.source.length={length} symbols: choose at least 1, or null for the longest line's")
        self.paths = [path, *([test_path] if test_path else [])]
        self.glue, self.length, self.leave_out = glue, length, leave_out

    def files(self, root: Path) -> list[Path]:
        return [root / path for path in self.paths]

    def prepare(self, root: Path) -> None:
        """UserError where a file cannot be read, or holds what is refused."""
        self._sequences(root)

    def describe(self, root: Path) -> Facts:
        parts = self._sequences(root)
        return Facts([self._length(parts) + 1, len(self.vocabulary(root).symbols) + 1], 0, len(parts) > 1, 1)

    def load(self, root: Path) -> tuple[Part, Part | None]:
        parts, words = self._sequences(root), self.vocabulary(root)
        length = self._length(parts) + 1
        train, *test = [(words.one_hot(part, length), torch.full((len(part),), -1)) for part in parts]
        return train, test[0] if test else None

    def vocabulary(self, root: Path) -> Vocabulary:
        train = self._sequences(root)[0]
        return Vocabulary(tuple(sorted({symbol for sequence in train for symbol in sequence})), self.glue, self)

    def read(self, root: Path) -> list[list[list[str]]]:
        """The symbols of each line of the training part, and of a test part, where there is."""
        return [_read(file, _modified(file), self.pattern) for file in self.files(root)]

    def _length(self, parts: list[list[list[str]]]) -> int:
        return self.length or max(len(sequence) for part in parts for sequence in part)

    def _sequences(self, root: Path) -> list[list[list[str]]]:
        """Those that are kept"""
        first, *others = self.read(root)
        train = self._kept(first, None, "training")
        known = {symbol for sequence in train for symbol in sequence}
        return [train, *(self._kept(part, known, "test") for part in others)]

    def _kept(self, part: list[list[str]], known: set[str] | None, name: str) -> list[list[str]]:
        kept = [sequence for sequence in part if self.length is None or len(sequence) <= self.length]
        if known is not None:
            kept = [sequence for sequence in kept if known.issuperset(sequence)]
        if not kept or (len(kept) < len(part) and not self.leave_out):
            unknown = {symbol for sequence in part for symbol in sequence} - known if known is not None else set()
            words = [f"the symbols {', '.join(sorted(unknown))}, which no training line has"] if unknown else []
            words += [f"more than data.source.length={self.length} symbols"] if self.length else []
            raise UserError(
                f"{len(part) - len(kept)} of {len(part)} {name} lines have {', or '.join(words)}: choose "
                "data.source.leave_out=true, which leaves out such lines where others are left, or a larger length"
            )
        return kept


def _modified(file: Path) -> int:
    return file.stat().st_mtime_ns if file.is_file() else 0


@lru_cache(maxsize=4)
def _read(file: Path, modified: int, pattern: re.Pattern[str]) -> list[list[str]]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not there" if isinstance(error, FileNotFoundError) else f"is no text in UTF-8 ({error})"
        raise UserError(
            f"{file} {reason}: choose data.source.path, the file of the lines below data.root, or data=numerals, which "
            "needs none"
        ) from None
    found = [pattern.findall(line) for line in lines if line.strip()]
    if not found:
        raise UserError(f"{file} has no line: choose a file with an example a line")
    if [] in found:
        raise UserError(
            f"a line of {file} has no match of data.source.pattern={pattern.pattern}: choose a pattern that matches "
            "each symbol of a line"
        )
    return found
