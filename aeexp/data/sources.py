"""Where the bytes come from. `prepare(root)` makes sure that they are there; `load(root)` gives them.

`load(root) -> (train, test)`, each a pair of x (N, *shape), uint8 or float32, and y (N,) int64, -1 where unlabelled;
test is None where the data set has no test part of its own. A source that has a validation part gives it by
`load_val(root)`, and one whose files are the user's own names them by `files(root)`.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
import torchvision
from sklearn.datasets import load_digits
from torch import Tensor

from aeexp.errors import UserError

Part = tuple[Tensor, Tensor]


class Facts(NamedTuple):
    """What a source whose files are the user's own tells of them before they are read."""

    shape: list[int]
    classes: int
    has_test: bool  # a test part of its own
    peak: int  # the largest value
    class_names: Sequence[str] = ()  # in the order of the labels, where classes have names


class Source(Protocol):
    def prepare(self, root: Path) -> None: ...
    def load(self, root: Path) -> tuple[Part, Part | None]: ...


class SelfDescribing(Source, Protocol):
    def describe(self, root: Path) -> Facts: ...


class Recorded(ABC):
    """A source of sound, or of pictures of sound."""

    @property
    @abstractmethod
    def rate(self) -> int | None:
        """Samples a second, where an example is samples in [0, peak] with silence in the middle, or None."""


class Digits:
    """1,797 handwritten digits of 8x8 pixels, 0..16, that come with scikit-learn. Alpaydin and Kaynak (1998)."""

    def prepare(self, root: Path) -> None:
        """Nothing to fetch."""

    def load(self, root: Path) -> tuple[Part, None]:
        images, labels = load_digits(return_X_y=True)
        x = torch.as_tensor(images, dtype=torch.uint8).reshape(-1, 1, 8, 8)
        return (x, torch.as_tensor(labels, dtype=torch.int64)), None


class Published(ABC):
    """A data set that torchvision knows by `name`, downloaded where that is possible.

    `md5` names each file of its folder, and its published checksum, or null where none was published.
    """

    names: tuple[str, ...]  # what torchvision calls those that it reads in this way

    def __init__(self, name: str, md5: dict[str, str | None]) -> None:
        if name not in self.names:
            raise UserError(f"data.source.name={name} is not read in this way: choose {' or '.join(self.names)}")
        self.name, self.md5 = name, md5

    @abstractmethod
    def _folder(self, root: Path) -> Path:
        """Where its files are."""

    @abstractmethod
    def _place(self, root: Path) -> Path:
        """What torchvision takes for its `root`."""

    def prepare(self, root: Path) -> None:
        """Raises UserError where files are missing and cannot be downloaded."""
        folder, below = self._folder(root), self._folder(Path())
        missing = [file for file in self.md5 if not (folder / file).exists()]
        if not missing:
            return
        try:
            for train in (True, False):
                self._reader(str(self._place(root)), train=train, download=True)
        except (RuntimeError, OSError) as error:
            raise UserError(
                f"{self.name} is not there: looked for {', '.join(missing)} in {folder}, and could not download "
                f"it ({_line(error)}); point data.root or AEEXP_DATA at a folder that holds {below}, "
                "let torchvision download it on a machine with a network, or choose data=digits, which needs nothing"
            ) from None

    def load(self, root: Path) -> tuple[Part, Part]:
        """Raises UserError where a file is not, byte for byte, the published one."""
        for file, expected in self.md5.items():
            path = self._folder(root) / file
            found = hashlib.md5(path.read_bytes()).hexdigest()
            if expected is not None and found != expected:
                raise UserError(
                    f"{path} is damaged: its MD5 is {found}, the published one is {expected}; "
                    "remove the file, so that it can be downloaded again, or take it as it is by giving null for it in "
                    "data.source.md5"
                )
        try:
            train, test = (self._part(root, train) for train in (True, False))
        except RuntimeError as error:
            raise UserError(f"{self._folder(root)} is not {self.name} as published: {_line(error)}") from None
        return train, test

    @property
    def _reader(self) -> Any:
        return getattr(torchvision.datasets, self.name)

    def _part(self, root: Path, train: bool) -> Part:
        data = self._reader(str(self._place(root)), train=train)
        x = torch.as_tensor(data.data)  # (N, H, W) or (N, H, W, C)
        x = x.unsqueeze(1) if x.dim() == 3 else x.movedim(-1, 1).contiguous()
        return x, torch.as_tensor(data.targets)


class Torchvision(Published):
    """IDX files in root/`name`/raw, as MNIST's."""

    names = ("MNIST", "FashionMNIST", "KMNIST")

    def _folder(self, root: Path) -> Path:
        return root / self.name / "raw"

    def _place(self, root: Path) -> Path:
        return root


class USPS(Published):
    """16x16 digits of envelopes, in root/USPS. Hull (1994), A database for handwritten text recognition research."""

    names = ("USPS",)

    def _folder(self, root: Path) -> Path:
        return root / "USPS"

    def _place(self, root: Path) -> Path:
        return root / "USPS"


class CIFAR10(Published):
    """60,000 colour photographs of 32x32 pixels, in root/cifar-10-batches-py. Krizhevsky (2009).

    They are pickles, which torchvision opens where their checksums are the published ones, whatever `md5` says.
    """

    names = ("CIFAR10",)

    def _folder(self, root: Path) -> Path:
        return root / "cifar-10-batches-py"

    def _place(self, root: Path) -> Path:
        return root


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
