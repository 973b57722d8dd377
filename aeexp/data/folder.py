"""Anybody's own images: a folder, decoded once, and kept as bytes until a file of it changes."""

import hashlib
import io
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from PIL import Image
from rich.progress import track

from aeexp.data.sources import Facts, Part
from aeexp.errors import UserError
from aeexp.files import write

KINDS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
CHANNELS = {1: "L", 3: "RGB"}


class Folder:
    """DataModule below root/`path`; its subfolders are the classes, and where there are none, nothing is labelled.

    `train` and `test` in it, where both are there, are the two parts. DataModule have the `shape` (C, H, W), C 1 or 3;
    null: that of the first one. Another size is refused, or resized (bilinear) where `resize` is true; a file that
    cannot be decoded is refused, or left out where `skip_broken` is true. The bytes are kept in the folder `cache`.
    """

    def __init__(self, path: str, shape: list[int] | None, resize: bool, skip_broken: bool, cache: str) -> None:
        if shape is not None and (len(shape) != 3 or shape[0] not in CHANNELS or min(shape) < 1):
            raise UserError(f"data.shape of images is [1 or 3, height, width], but got {list(shape)}")
        self.path, self.shape, self.resize, self.skip_broken = path, shape, resize, skip_broken
        self.cache = Path(cache)

    def files(self, root: Path) -> list[Path]:
        return [file for part in self._parts(root) for file in self._files(part)]

    def describe(self, root: Path) -> Facts:
        parts = self._parts(root)
        return Facts(self._shape(parts[0]), len(self._classes(parts[0])), len(parts) > 1, 255)

    def prepare(self, root: Path) -> None:
        """Decodes what is not decoded yet. Raises UserError where the folder or a file of it is not what it should."""
        self.load(root)

    def load(self, root: Path) -> tuple[Part, Part | None]:
        parts = self._parts(root)
        shape, classes = self._shape(parts[0]), self._classes(parts[0])
        unknown = [name for part in parts[1:] for name in self._classes(part) if name not in classes]
        if unknown:
            raise UserError(f"{parts[1]} has the classes {', '.join(unknown)}, which {parts[0]} has not")
        loaded = [self._part(part, shape, classes) for part in parts]
        return loaded[0], loaded[1] if len(loaded) > 1 else None

    def _parts(self, root: Path) -> list[Path]:
        folder = root / self.path
        if not folder.is_dir():
            raise UserError(f"{folder} is no folder: give data.source.path one of images, or of a subfolder a class")
        split = [folder / "train", folder / "test"]
        return split if all(part.is_dir() for part in split) else [folder]

    def _classes(self, part: Path) -> list[str]:
        return sorted(entry.name for entry in part.iterdir() if entry.is_dir() and not entry.name.startswith("."))

    def _files(self, part: Path) -> list[Path]:
        files = sorted(file for file in part.rglob("*") if file.suffix.lower() in KINDS and file.is_file())
        if not files:
            raise UserError(f"{part} holds no image ({', '.join(sorted(KINDS))})")
        return files

    def _shape(self, part: Path) -> list[int]:
        if self.shape is not None:
            return list(self.shape)
        file = self._files(part)[0]
        try:
            with Image.open(file) as image:
                return [1 if image.mode in ("1", "L") else 3, image.height, image.width]
        except Exception as error:
            raise UserError(f"{file} cannot be read as an image ({error}): give data.shape, or remove it") from None

    def _part(self, part: Path, shape: list[int], classes: list[str]) -> Part:
        """Two processes do not decode the same folder at once."""
        files = self._files(part)
        facts = [(str(file.relative_to(part)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        facts_text = repr((str(part.resolve()), facts, shape, self.resize, self.skip_broken))
        kept = self.cache / f"{part.name}-{hashlib.sha256(facts_text.encode()).hexdigest()[:16]}.npz"
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{self.cache} cannot be made ({error.strerror}): choose data.source.cache") from None
        with FileLock(kept.with_suffix(".lock")):
            if not kept.exists():
                x, taken = self._decoded(files, shape)
                y = [_label(files[i].relative_to(part), classes) for i in taken]
                content = io.BytesIO()
                np.savez(content, x=x, y=np.array(y, dtype=np.int64))
                write(kept, content.getvalue())
            with np.load(kept, allow_pickle=False) as arrays:
                return torch.as_tensor(arrays["x"]), torch.as_tensor(arrays["y"])

    def _decoded(self, files: list[Path], shape: list[int]) -> tuple[np.ndarray, list[int]]:
        """(N, C, H, W) uint8, and which of the files these are."""
        x = np.empty((len(files), *shape), dtype=np.uint8)
        taken: list[int] = []
        shown: Iterable[Path] = track(files, f"decoding {len(files)} images", disable=not sys.stdout.isatty())
        for i, file in enumerate(shown):
            try:
                with Image.open(file) as image:
                    pixels = self._pixels(image, file, shape)
            except UserError:
                raise
            except Exception as error:  # each format's decoder has errors of its own
                if not self.skip_broken:
                    raise UserError(
                        f"{file} cannot be read as an image ({error}): remove it, or leave out all such files with "
                        "data.source.skip_broken=true"
                    ) from None
                print(f"left out {file}: {error}", file=sys.stderr)
                continue
            x[len(taken)] = pixels
            taken.append(i)
        if not taken:
            raise UserError(f"none of the {len(files)} images of {files[0].parent} can be read")
        return x[: len(taken)], taken

    def _pixels(self, image: Image.Image, file: Path, shape: list[int]) -> np.ndarray:
        channels, height, width = shape
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"its pixels are of more than 8 bits, mode {image.mode}")
        if (image.height, image.width) != (height, width):
            if not self.resize:
                raise UserError(
                    f"{file} is {image.height}x{image.width}, the others are to be {height}x{width}: choose a size "
                    f"with data.shape=[{channels},height,width] and data.source.resize=true"
                )
            image = image.convert(CHANNELS[channels]).resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(image.convert(CHANNELS[channels])).reshape(height, width, channels).transpose(2, 0, 1)


def _label(file: Path, classes: list[str]) -> int:
    return classes.index(file.parts[0]) if len(file.parts) > 1 else -1
