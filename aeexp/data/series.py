"""Series in text files of the UCR and UEA archives. Dau et al. (2018), The UCR time series archive."""

from pathlib import Path

import numpy as np
import torch

from aeexp.data.labels import numbered
from aeexp.data.sources import Part
from aeexp.errors import UserError


class Series:
    """Files root/`train` and root/`test`: a line an example, its class first, then T numbers within `range`.

    Of a `.ts` file the header is read over, and a line is F dimensions of T numbers and the class, with colons between:
    (T, F), or (T,) of one. `range` = [low, high] is mapped to [0, 1]. Classes are counted from `first` in the files,
    and from 0 here; first null: the classes of the training file, in their order, are 0, 1, and so on.
    """

    def __init__(self, train: str, test: str, range: list[float], first: int | None) -> None:
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
        (x, labels), (test_x, test_labels) = (self._read(file) for file in self.files(root))
        train, test = (
            self._numbered(own, labels, file) for own, file in zip((labels, test_labels), self.files(root), strict=True)
        )
        return (x, train), (test_x, test)

    def _read(self, file: Path) -> tuple[torch.Tensor, np.ndarray]:
        """(N, T) or (N, T, F) float32 in [0, 1], and the classes as they are written, (N,) words"""
        try:
            values, labels = _of_ts(file) if file.suffix == ".ts" else _of_lines(file)
        except ValueError as error:
            raise UserError(f"{file} is not a table of numbers ({error})") from None
        low, high = self.range
        x = (values - low) / (high - low)
        if not (np.isfinite(x).all() and x.min() >= 0 and x.max() <= 1):
            raise UserError(f"{file} holds values outside of data.source.range={self.range}, or that are not finite")
        return torch.as_tensor(x.astype(np.float32)), labels

    def _numbered(self, labels: np.ndarray, trained_on: np.ndarray, file: Path) -> torch.Tensor:
        if self.first is None:
            return numbered(labels, trained_on, len(labels), f"{file}")[0]
        try:
            numbers = labels.astype(np.float64)
        except ValueError:
            numbers = np.full(len(labels), np.nan)
        if not ((numbers == np.round(numbers)) & (numbers >= self.first)).all():
            written = ", ".join(sorted({*labels.tolist()}))
            raise UserError(
                f"{file} has the classes {written}, which are no whole numbers from data.source.first={self.first}: "
                "choose data.source.first=null, which counts the classes of the training file in their order"
            )
        return torch.as_tensor(numbers.astype(np.int64) - self.first)


def _of_lines(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """(N, T) and (N,): words between blanks or commas"""
    lines = [line.replace(",", " ").split() for line in file.read_text("utf-8", "replace").splitlines() if line.strip()]
    return np.array([line[1:] for line in lines], dtype=np.float64), np.array([_plain(line[0]) for line in lines])


def _of_ts(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """(N, T), or (N, T, F) of several dimensions, and (N,)"""
    lines = [line.strip() for line in file.read_text("utf-8", "replace").splitlines()]
    parts = [line.split(":") for line in lines if line and line[0] not in "#@"]
    values = np.array([[dimension.split(",") for dimension in part[:-1]] for part in parts], dtype=np.float64)
    return (values[:, 0] if values.shape[1] == 1 else np.moveaxis(values, 1, 2)), np.array([part[-1] for part in parts])


def _plain(label: str) -> str:
    """A class as a whole number where it is written as 1.0000000e+00."""
    try:
        return f"{float(label):g}"
    except ValueError:
        return label
