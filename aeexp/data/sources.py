"""Where the bytes come from. `prepare(root)` makes sure that they are there; `load(root)` gives them.

`load(root) -> (train, test)`, each a pair of x (N, *shape) uint8 and y (N,) int64; test is None where the data set
has no test part of its own.
"""

import hashlib
from pathlib import Path

import torch
import torchvision
from sklearn.datasets import load_digits
from torch import Tensor

from aeexp.errors import UserError

Part = tuple[Tensor, Tensor]


class Digits:
    """1,797 handwritten digits of 8x8 pixels, 0..16, that come with scikit-learn. Alpaydin and Kaynak (1998)."""

    def prepare(self, root: Path) -> None:
        """Nothing to fetch."""

    def load(self, root: Path) -> tuple[Part, None]:
        images, labels = load_digits(return_X_y=True)
        x = torch.as_tensor(images, dtype=torch.uint8).reshape(-1, 1, 8, 8)
        return (x, torch.as_tensor(labels, dtype=torch.int64)), None


class Torchvision:
    """A data set of IDX files that torchvision knows by `name`, downloaded where that is possible.

    `md5` names each file of root/`name`/raw and its checksum.
    """

    def __init__(self, name: str, md5: dict[str, str]) -> None:
        self.name, self.md5 = name, md5

    def prepare(self, root: Path) -> None:
        """Raises UserError where files are missing and cannot be downloaded."""
        folder = self._folder(root)
        missing = [file for file in self.md5 if not (folder / file).exists()]
        if not missing:
            return
        try:
            getattr(torchvision.datasets, self.name)(str(root), download=True)
        except (RuntimeError, OSError) as error:
            raise UserError(
                f"{self.name} is not there: looked for {', '.join(missing)} in {folder}, and could not download "
                f"it ({_line(error)}); point data.root or AEEXP_DATA at a folder that holds {self.name}/raw, "
                "let torchvision download it on a machine with a network, or choose data=digits, which needs nothing"
            ) from None

    def load(self, root: Path) -> tuple[Part, Part]:
        """Raises UserError where a file is not, byte for byte, the published one."""
        for file, expected in self.md5.items():
            path = self._folder(root) / file
            found = hashlib.md5(path.read_bytes()).hexdigest()
            if found != expected:
                raise UserError(
                    f"{path} is damaged: its MD5 is {found}, the published one is {expected}; "
                    "remove the file, so that it can be downloaded again"
                )
        train, test = (self._part(root, train) for train in (True, False))
        return train, test

    def _folder(self, root: Path) -> Path:
        return root / self.name / "raw"

    def _part(self, root: Path, train: bool) -> Part:
        data = getattr(torchvision.datasets, self.name)(str(root), train=train)
        return data.data.unsqueeze(1), data.targets


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
