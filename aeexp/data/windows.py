"""Windows of a long series of measures, an instant a row of a table, of which the last part is tested."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aeexp.data.sources import Facts, Part
from aeexp.data.tables import columns
from aeexp.errors import UserError

Measured = tuple[np.ndarray, np.ndarray | None]  # instants (T, F), and which are anomalous, (T,) bool


class Instants(NamedTuple):
    """What of a test series of T instants its windows lack."""

    starts: Tensor  # the first instant of each test window, (N,) int64
    val_starts: Tensor  # the same of the validation windows
    anomalous: Tensor | None  # (T,) bool, where the file says so


class Windows:
    """A .csv, .tsv or .parquet file of numbers below root, with a header; `test_path`: another, the test part.

    Without the second, the last `test` of the series, a fraction, is the test part; the last `val` of what is left is
    the validation part. `label` names the column that is 0 where an instant is normal and another number where it is
    anomalous: windows with such an instant are neither trained on nor validated on. Windows are of `window` instants,
    `stride` apart; the last one of a part ends with it. A column is standardised, (value - mean) / deviation of the
    training instants.
    """

    def __init__(
        self,
        path: str,
        test_path: str | None,
        label: str | None,
        window: int,
        stride: int,
        val: float,
        test: float,
    ) -> None:
        if window < 2 or not 1 <= stride <= window:
            raise UserError(
                f"data.source.window={window} and stride={stride}: choose at least 2 instants, and a stride from 1 to "
                "as many, so that each instant is in a window"
            )
        if not 0 < val < 1 or not 0 < test < 1:
            raise UserError(
                f"data.val={val} and data.source.test={test} are fractions of a series: choose between 0 and 1"
            )
        self.paths = [path, *([test_path] if test_path else [])]
        self.label, self.window, self.stride, self.val, self.test = label, window, stride, val, test

    def files(self, root: Path) -> list[Path]:
        return [root / path for path in self.paths]

    def prepare(self, root: Path) -> None:
        """UserError where a file cannot be read, or is too short."""
        self._parts(root)

    def describe(self, root: Path) -> Facts:
        return Facts([self.window, self._parts(root)[0][0].shape[1]], 0, True, 1)

    def load(self, root: Path) -> tuple[Part, Part | None]:
        train, _, test = self._parts(root)
        return self._normal(train), self._windows(test[0])

    def load_val(self, root: Path) -> Part:
        return self._normal(self._parts(root)[1])

    def instants(self, root: Path) -> Instants:
        _, (val, of_val), (test, anomalous) = self._parts(root)
        starts = self._starts(len(val))
        return Instants(self._starts(len(test)), starts[self._is_normal(starts, of_val)], anomalous)

    def _parts(self, root: Path) -> list[tuple[Tensor, Tensor | None]]:
        """The training, validation and test instants, (T, F) float32, and which are anomalous, (T,) bool"""
        series = [self._read(file) for file in self.files(root)]
        if len(series) == 1:
            series = _cut(series[0], self.test)
        (values, anomalous), test = series
        if values.shape[1] != test[0].shape[1]:
            raise UserError(
                f"the test series has {test[0].shape[1]} columns, but the training series {values.shape[1]}"
            )
        parts = [*_cut((values, anomalous), self.val), test]
        mean, deviation = parts[0][0].mean(0), parts[0][0].std(0)
        deviation[deviation == 0] = 1
        if shortest := [len(part) for part, _ in parts if len(part) < self.window]:
            raise UserError(
                f"a part of {shortest[0]} instants has no window of data.source.window={self.window}: choose a shorter "
                "window, or a larger data.val or data.source.test"
            )
        return [
            (torch.as_tensor((part - mean) / deviation).float(), None if of is None else torch.as_tensor(of))
            for part, of in parts
        ]

    def _read(self, file: Path) -> Measured:
        values, label = columns(file, self.label)
        if not np.isfinite(values).all():
            raise UserError(
                f"{file} has cells that are missing or not finite: choose values for them, or leave rows out"
            )
        return values, None if label is None else np.asarray(label) != 0

    def _starts(self, n: int) -> Tensor:
        """Of the windows of n instants, the last of which ends with them"""
        return torch.unique(
            torch.cat([torch.arange(0, n - self.window + 1, self.stride), torch.tensor([n - self.window])])
        )

    def _windows(self, values: Tensor) -> Part:
        """(N, window, F), without a label"""
        x = values[self._starts(len(values))[:, None] + torch.arange(self.window)]
        return x, torch.full((len(x),), -1)

    def _normal(self, part: tuple[Tensor, Tensor | None]) -> Part:
        values, anomalous = part
        x, y = self._windows(values)
        kept = self._is_normal(self._starts(len(values)), anomalous)
        if not kept.any():
            raise UserError(
                "each window of the training or of the validation part has an anomalous instant: choose others"
            )
        return x[kept], y[kept]

    def _is_normal(self, starts: Tensor, anomalous: Tensor | None) -> Tensor:
        """Which windows have no anomalous instant, (N,) bool"""
        if anomalous is None:
            return torch.ones(len(starts), dtype=torch.bool)
        return ~anomalous[starts[:, None] + torch.arange(self.window)].any(1)


def _cut(series: Measured, share: float) -> list[Measured]:
    """The first of its instants, and the last, a fraction of them"""
    values, anomalous = series
    n = len(values) - round(share * len(values))
    return [(values[part], None if anomalous is None else anomalous[part]) for part in (slice(n), slice(n, None))]
