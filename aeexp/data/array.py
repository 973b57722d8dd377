"""Anybody's own arrays: images, vectors or series in .npy and .npz files, and tables of numbers."""

import zipfile
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from aeexp.data.labels import numbered
from aeexp.data.sources import Facts, Part
from aeexp.data.tables import columns, is_table
from aeexp.errors import UserError

CHANNELS = (1, 3, 4)  # of an image, by which the axis of the channels is told
REAL, LABELS = "iuf", "iufU"  # numpy's kinds of real numbers, and of these and words
NARROW = 4  # features of what must be a series, and no image


class Array:
    """x (N, *shape) and, where they are known, labels y (N,); and those of a test part.

    Each is the name of a file below root: `images.npy`, or `all.npz:images`, an array of it; x and test_x may be
    tables, whose column `label` is y. Labels are numbers from 0, -1 where unlabelled, or words, which are counted in
    their order. uint8 are read as bytes, 0..255; floats as they are; with `range` = [low, high], any numbers within it,
    mapped to [0, 1]. `shape` null: the file's, where bytes (N, H, W) are gray images, and (N, H, W, C) with 1, 3 or 4
    channels are turned to (C, H, W); otherwise the file's (H, W, C) are turned likewise, and all else that has as many
    numbers is read in that shape.
    """

    def __init__(
        self,
        x: str,
        y: str | None,
        test_x: str | None,
        test_y: str | None,
        shape: list[int] | None,
        range: list[float] | None,
        label: str | int | None = None,
    ) -> None:
        if range is not None and (len(range) != 2 or not range[0] < range[1]):
            raise UserError(f"data.source.range is [low, high], low below high, but got {range}")
        if y is not None and test_x is not None and test_y is None:
            raise UserError("data.source.y labels the training part, but data.source.test_y is missing for test_x")
        if label is not None and (y is not None or not is_table(x)):
            raise UserError(
                f"data.source.label={label} is a column of a .csv, .tsv or .parquet file: choose it for such an x "
                "alone, and data.source.y for an array"
            )
        self.x, self.y, self.test_x, self.test_y, self.shape, self.range = x, y, test_x, test_y, shape, range
        self.label, self.any_numbers = label, range is None

    def files(self, root: Path) -> list[Path]:
        names = {name.partition(":")[0] for name in (self.x, self.y, self.test_x, self.test_y) if name is not None}
        return [root / name for name in names]

    def describe(self, root: Path) -> Facts:
        (n, *found), dtype = _header(root, self.x, self.label)
        as_bytes = dtype == np.uint8 and self.range is None
        y, names = self._labels(root, self.x, self.y, n)
        classes = 0 if y is None else len(names) or int(y.max()) + 1
        peak = 255 if as_bytes else 1
        return Facts(self._shape(found, as_bytes), classes, self.test_x is not None, peak, names or ())

    def prepare(self, root: Path) -> None:
        """UserError where a file is not there, or no array."""
        for name, kinds in ((self.x, REAL), (self.test_x, REAL), (self.y, LABELS), (self.test_y, LABELS)):
            if name is not None:
                _header(root, name, self.label, kinds)

    def load(self, root: Path) -> tuple[Part, Part | None]:
        train = self._part(root, self.x, self.y)
        test = None if self.test_x is None else self._part(root, self.test_x, self.test_y)
        if test and test[0].shape[1:] != train[0].shape[1:]:
            raise UserError(
                f"the examples of {self.test_x} are of shape {tuple(test[0].shape[1:])}, but those of {self.x} of "
                f"{tuple(train[0].shape[1:])}"
            )
        return train, test

    def _part(self, root: Path, name: str, labels: str | None) -> Part:
        values = _array(root, name, self.label)
        as_bytes = values.dtype == np.uint8 and self.range is None
        shape = self._shape(list(values.shape[1:]), as_bytes)
        turned = (
            len(shape) == 3 and list(values.shape[1:]) == [*shape[1:], shape[0]] and list(values.shape[1:]) != shape
        )
        values = np.moveaxis(values, -1, 1) if turned else values.reshape(-1, *shape)
        x = torch.as_tensor(np.ascontiguousarray(values if as_bytes else self._scaled(values, name)))
        y, _ = self._labels(root, name, labels, len(x))
        return x, torch.full((len(x),), -1) if y is None else y

    def _shape(self, found: list[int], as_bytes: bool) -> list[int]:
        """Of an example, as the model is to see it. UserError where the file alone does not tell."""
        if self.shape is not None:
            if prod(self.shape) != prod(found):
                raise UserError(
                    f"the examples of {self.x} are of shape {tuple(found)}, which is not data.shape={self.shape}"
                )
            return list(self.shape)
        if len(found) == 2 and as_bytes:
            return [1, *found]
        if len(found) == 2 and found[1] > NARROW:
            height, width = found
            raise self._ambiguous(found, f"[1,{height},{width}] for images or [{height},{width}] for series")
        if len(found) == 3 and found[2] in CHANNELS:
            last = [found[2], *found[:2]]
            if found[0] in CHANNELS:
                raise self._ambiguous(found, f"{found} with channels first or {last} with channels last")
            return last
        return found

    def _ambiguous(self, found: list[int], choices: str) -> UserError:
        return UserError(
            f"the examples of {self.x} are of shape {tuple(found)}, which may be read in two ways: choose data.shape="
            f"{choices}"
        )

    def _scaled(self, values: np.ndarray, name: str) -> np.ndarray:
        """Numbers within `range` -> float32 in [0, 1]; without it, any numbers as float32"""
        if not np.isfinite(values).all():
            raise UserError(f"{name} holds values that are not finite: replace them, or leave their examples out")
        if self.range is None:
            return values.astype(np.float32)
        (low, high), least, most = self.range, values.min(), values.max()
        if least < low or most > high:
            raise UserError(
                f"{name} holds {values.dtype} from {least:g} to {most:g}, outside of [{low:g}, {high:g}]: give "
                f"data.source.range the least and the largest value, such as [{least:g},{most:g}]"
            )
        return ((values.astype(np.float64) - low) / (high - low)).astype(np.float32)

    def _labels(self, root: Path, x: str, y: str | None, n: int) -> tuple[Tensor | None, list[str]]:
        """(N,) int64, and the names of the classes where the labels of the training part are words."""
        if y is None and self.label is None:
            return None, []
        own, trained_on = self._written(root, x, y), self._written(root, self.x, self.y)
        return numbered(own, trained_on, n, y or f"the column {self.label} of {x}")

    def _written(self, root: Path, x: str, y: str | None) -> np.ndarray | None:
        return _array(root, y, None, LABELS) if y is not None else columns(root / x, self.label)[1]


def _header(root: Path, name: str, label: str | int | None, kinds: str = REAL) -> tuple[tuple[int, ...], np.dtype]:
    """The shape (N, ...) and type of an array, without reading it. UserError where it is none of these kinds."""
    if is_table(name):
        values, _ = columns(root / name, label)
        return values.shape, values.dtype
    file, _, inner = name.partition(":")
    try:
        with zipfile.ZipFile(root / file).open(f"{inner}.npy") if inner else (root / file).open("rb") as stream:
            read = npy.read_array_header_1_0 if npy.read_magic(stream) == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read(stream)
    except FileNotFoundError:
        raise UserError(f"{root / file} is not there: data.source gives its place below data.root={root}") from None
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{root / file} is not an array as numpy saves it{_hint(root / file, inner)} ({error})"
        ) from None
    if not shape or shape[0] < 1 or dtype.kind not in kinds:
        raise UserError(f"{name} holds {dtype} of shape {shape}, but it should be real numbers, one example a row")
    return shape, dtype


def _array(root: Path, name: str, label: str | int | None = None, kinds: str = REAL) -> np.ndarray:
    _header(root, name, label, kinds)
    if is_table(name):
        return columns(root / name, label)[0]
    file, _, inner = name.partition(":")
    try:
        loaded = np.load(root / file, allow_pickle=False)
        return loaded[inner] if inner else loaded
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{root / file} is damaged ({error})") from None


def _hint(file: Path, inner: str) -> str:
    if not zipfile.is_zipfile(file):
        return ""
    names = ", ".join(f"{file.name}:{name.removesuffix('.npy')}" for name in zipfile.ZipFile(file).namelist())
    return f" of that name: it has {names}" if inner else f": it has several, {names}"
