"""Anybody's own images: a folder, decoded once, and kept as bytes until a file of it changes."""

import hashlib
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from PIL import Image
from rich.progress import track

from aeexp.data.pictures import GRAY, pixels
from aeexp.data.sources import Facts, Part
from aeexp.errors import UserError
from aeexp.files import write

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
VALIDATION = ("val", "valid", "validation")


class Folder:
    """Images below root/`path`; its subfolders are the classes, and where there are none, nothing is labelled.

    `train` in it, beside `test` or `val` (`valid`, `validation`), makes these the parts. Links are followed, and what
    begins with a dot is skipped. Images have the `shape` (C, H, W), C 1 or 3; null: that of the first one. Another
    size is refused, or resized (bilinear) where `resize` is true; a file that cannot be decoded is refused, or left out
    where `skip_broken` is true. What is transparent lies on a `background` of this gray value, 0 to 255. The bytes are
    kept in the folder `cache`.
    """

    def __init__(
        self, path: str, shape: list[int] | None, resize: bool, skip_broken: bool, cache: str, background: int = 255
    ) -> None:
        if shape is not None and (len(shape) != 3 or shape[0] not in (1, 3) or min(shape) < 1):
            raise UserError(f"data.shape of images is [1 or 3, height, width], but got {list(shape)}")
        if not 0 <= background <= 255:
            raise UserError(f"data.source.background={background} is a gray value: choose 0, black, to 255, white")
        self.path, self.shape, self.resize, self.skip_broken = path, shape, resize, skip_broken
        self.background, self.cache = background, Path(cache)

    def files(self, root: Path) -> list[Path]:
        return [file for part in self._parts(root).values() for file in self._files(part)]

    def describe(self, root: Path) -> Facts:
        parts = self._parts(root)
        classes = self._classes(parts["train"])
        return Facts(self._shape(parts["train"]), len(classes), "test" in parts, 255, classes)

    def prepare(self, root: Path) -> None:
        """Decodes what is not decoded yet. Raises UserError where the folder or a file of it is not what it should."""
        self._loaded(root, "train", "test", "val")

    def load(self, root: Path) -> tuple[Part, Part | None]:
        loaded = self._loaded(root, "train", "test")
        return loaded["train"], loaded.get("test")

    def load_val(self, root: Path) -> Part | None:
        return self._loaded(root, "val").get("val")

    def _loaded(self, root: Path, *names: str) -> dict[str, Part]:
        """Those of these parts that there are."""
        parts = self._parts(root)
        shape, classes = self._shape(parts["train"]), self._classes(parts["train"])
        found = {name: parts[name] for name in names if name in parts}
        for part in found.values():
            if unknown := [name for name in self._classes(part) if name not in classes]:
                raise UserError(f"{part} has the classes {', '.join(unknown)}, which {parts['train']} has not")
        return {name: self._part(part, shape, classes) for name, part in found.items()}

    def _parts(self, root: Path) -> dict[str, Path]:
        """`train`, and `test` and `val` where there are such: the folders of the parts."""
        folder = root / self.path
        if not folder.is_dir():
            raise UserError(f"{folder} is no folder: give data.source.path one of images, or of a subfolder a class")
        own = {"train": folder / "train", "test": folder / "test"}
        val = [folder / name for name in VALIDATION if (folder / name).is_dir()]
        if len(val) > 1:
            raise UserError(f"{val[0]} and {val[1]} are both there: choose one, as the validation part")
        found = {
            name: part for name, part in {**own, "val": val[0] if val else folder / "val"}.items() if part.is_dir()
        }
        return found if "train" in found and len(found) > 1 else {"train": folder}

    def _classes(self, part: Path) -> list[str]:
        return sorted(entry.name for entry in part.iterdir() if entry.is_dir() and not entry.name.startswith("."))

    def _files(self, part: Path) -> list[Path]:
        files = sorted(file for file in _below(part) if file.suffix.lower() in SUFFIXES)
        if not files:
            raise UserError(f"{part} holds no image ({', '.join(sorted(SUFFIXES))})")
        return files

    def _shape(self, part: Path) -> list[int]:
        if self.shape is not None:
            return list(self.shape)
        file = self._files(part)[0]
        try:
            with Image.open(file) as image:
                return list(pixels(image, None, self.background).shape)
        except Exception as error:
            raise UserError(f"{file} cannot be read as an image ({error}): give data.shape, or remove it") from None

    def _part(self, part: Path, shape: list[int], classes: list[str]) -> Part:
        """Two processes do not decode the same folder at once."""
        files = self._files(part)
        facts = [(str(file.relative_to(part)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        settings = (shape, self.resize, self.skip_broken, self.background)
        facts_text = repr((str(part.resolve()), facts, settings))
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
        gray = 0
        shown: Iterable[Path] = track(files, f"decoding {len(files)} images", disable=not sys.stdout.isatty())
        for i, file in enumerate(shown):
            try:
                with Image.open(file) as image:
                    gray += image.mode in GRAY
                    drawn = pixels(image, shape if self.resize else shape[:1], self.background)
                x[len(taken)] = self._fitting(drawn, file, shape)
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
            taken.append(i)
        if not taken:
            raise UserError(f"none of the {len(files)} images of {files[0].parent} can be read")
        if 0 < gray < len(files):
            chosen = "gray" if shape[0] == 1 else "in colour"
            print(
                f"{gray} of {len(files)} images are gray, others coloured: all are read {chosen}, by data.shape={shape}"
            )
        return x[: len(taken)], taken

    def _fitting(self, image: np.ndarray, file: Path, shape: list[int]) -> np.ndarray:
        if list(image.shape) != shape:
            raise UserError(
                f"{file} is {image.shape[1]}x{image.shape[2]}, the others are to be {shape[1]}x{shape[2]}: choose a "
                f"size with data.shape=[{shape[0]},height,width] and data.source.resize=true"
            )
        return image


def _below(folder: Path, inside: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Files below a folder, and below what it links to unless that is around it; no name that begins with a dot."""
    real = folder.resolve()
    for entry in folder.iterdir() if real not in inside else ():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _below(entry, inside | {real})
        elif entry.is_file():
            yield entry


def _label(file: Path, classes: list[str]) -> int:
    return classes.index(file.parts[0]) if len(file.parts) > 1 else -1
