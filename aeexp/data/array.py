"""Anybody's own arrays: images, vectors or series in .npy and .npz files."""

import zipfile
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from aeexp.data.sources import Facts, Part
from aeexp.errors import UserError


class Array:
    """x (N, *shape) and, where they are known, labels y (N,) from 0, -1 where unlabelled; and those of a test part.

    Each is the name of a file below root: `images.npy`, or `all.npz:images`, an array of it. uint8 are read as bytes,
    0..255; floats as they are; with `range` = [low, high], any numbers within it, mapped to [0, 1].
    `shape` null: the file's, where bytes (N, H, W) are gray images and (N, H, W, 3) coloured ones; otherwise the
    file's (H, W, C) are turned to (C, H, W), and all else that has as many numbers is read in that shape.
    """

    def __init__(
        self,
        x: str,
        y: str | None,
        test_x: str | None,
        test_y: str | None,
        shape: list[int] | None,
        range: list[float] | None,
    ) -> None:
        if range is not None and (len(range) != 2 or not range[0] < range[1]):
            raise UserError(f"data.source.range is [low, high], low below high, but got {range}")
        if y is not None and test_x is not None and test_y is None:
            raise UserError("data.source.y labels the training part, but data.source.test_y is missing for test_x")
        self.x, self.y, self.test_x, self.test_y, self.shape, self.range = x, y, test_x, test_y, shape, range
        self.any_numbers = range is None

    def files(self, root: Path) -> list[Path]:
        names = {name.partition(":")[0] for name in (self.x, self.y, self.test_x, self.test_y) if name is not None}
        return [root / name for name in names]

    def describe(self, root: Path) -> Facts:
        (n, *found), dtype = _header(root, self.x)
        as_bytes = dtype == np.uint8 and self.range is None
        classes = 0 if self.y is None else int(self._labels(root, self.y, n).max()) + 1
        return Facts(self._shape(found, as_bytes), classes, self.test_x is not None, 255 if as_bytes else 1)

    def prepare(self, root: Path) -> None:
        """UserError where a file is not there, or no array."""
        for name in (self.x, self.y, self.test_x, self.test_y):
            if name is not None:
                _header(root, name)

    def load(self, root: Path) -> tuple[Part, Part | None]:
        test = None if self.test_x is None else self._part(root, self.test_x, self.test_y)
        train = self._part(root, self.x, self.y)
        if test and test[0].shape[1:] != train[0].shape[1:]:
            raise UserError(
                f"the examples of {self.test_x} are of shape {tuple(test[0].shape[1:])}, but those of {self.x} of "
                f"{tuple(train[0].shape[1:])}"
            )
        return train, test

    def _part(self, root: Path, name: str, labels: str | None) -> Part:
        values = _array(root, name)
        as_bytes = values.dtype == np.uint8 and self.range is None
        shape = self._shape(list(values.shape[1:]), as_bytes)
        turned = (
            len(shape) == 3 and list(values.shape[1:]) == [*shape[1:], shape[0]] and list(values.shape[1:]) != shape
        )
        values = np.moveaxis(values, -1, 1) if turned else values.reshape(-1, *shape)
        x = torch.as_tensor(np.ascontiguousarray(values if as_bytes else self._scaled(values, name)))
        return x, torch.full((len(x),), -1) if labels is None else self._labels(root, labels, len(x))

    def _shape(self, found: list[int], as_bytes: bool) -> list[int]:
        """Of an example, as the model is to see it."""
        if self.shape is None:
            if as_bytes and len(found) == 2:
                return [1, *found]
            return [found[2], *found[:2]] if len(found) == 3 and found[2] in (1, 3) and found[0] > 3 else found
        if prod(self.shape) != prod(found):
            raise UserError(
                f"the examples of {self.x} are of shape {tuple(found)}, which is not data.shape={self.shape}"
            )
        return list(self.shape)

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

    def _labels(self, root: Path, name: str, n: int) -> Tensor:
        y = _array(root, name)
        if y.shape != (n,) or y.dtype.kind not in "iu" or y.min() < -1:
            raise UserError(
                f"{name} should be {n} whole numbers, one an example and from 0 (-1: unlabelled), but it is "
                f"{y.dtype} of shape {y.shape}"
            )
        return torch.as_tensor(y.astype(np.int64))


def _header(root: Path, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """The shape (N, ...) and type of an array, without reading it. UserError where it is none of real numbers."""
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
    if not shape or shape[0] < 1 or dtype.kind not in "iuf":
        raise UserError(f"{name} holds {dtype} of shape {shape}, but it should be real numbers, one example a row")
    return shape, dtype


def _array(root: Path, name: str) -> np.ndarray:
    _header(root, name)
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
