"""Series in text files of the UCR archive. Dau et al. (2018), The UCR time series archive."""

from pathlib import Path

import numpy as np
import torch

from aeexp.data.sources import Part
from aeexp.errors import UserError


class Series:
    """Files root/`train` and root/`test`: a line an example, its class first, then T numbers within `range`.

    `range` = [low, high] is mapped to [0, 1]. Classes are counted from `first` in the files, and from 0 here.
    """

    def __init__(self, train: str, test: str, range: list[float], first: int) -> None:
        self.train, self.test, self.range, self.first = train, test, range, first

    def files(self, root: Path) -> list[Path]:
        return [root / self.train, root / self.test]

    def prepare(self, root: Path) -> None:
        """UserError where a file is missing."""
        missing = [str(file) for file in self.files(root) if not file.is_file()]
        if missing:
            raise UserError(
                f"{' and '.join(missing)} are not there: point data.root or AEEXP_DATA at a folder that holds them, as "
                "the UCR archive (timeseriesclassification.com) has them, or choose data=digits, which needs nothing"
            )

    def load(self, root: Path) -> tuple[Part, Part]:
        return self._part(root / self.train), self._part(root / self.test)

    def _part(self, file: Path) -> Part:
        """(N, T) float32 in [0, 1] and (N,)"""
        try:
            rows = np.loadtxt(file, ndmin=2)
        except ValueError as error:
            raise UserError(f"{file} is not a table of numbers ({error})") from None
        low, high = self.range
        x = (rows[:, 1:] - low) / (high - low)
        if not (np.isfinite(x).all() and x.min() >= 0 and x.max() <= 1):
            raise UserError(f"{file} holds values outside of data.source.range={self.range}, or that are not finite")
        return torch.as_tensor(x.astype(np.float32)), torch.as_tensor(rows[:, 0].astype(np.int64) - self.first)
