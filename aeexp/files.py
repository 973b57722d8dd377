"""Whole-file writes: a file is written beside its place and moved into it, so a kill leaves the old one or the new one.

The temporary file is new (O_EXCL, no link is followed), has another suffix than its place, and is removed where the
write fails.
"""

import json
import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml

from aeexp.errors import UserError

PERMISSIONS = 0o666  # less the user's umask, as of any file that a program makes


def write(path: Path, content: bytes | str) -> None:
    """Replaces the file by `content`, and makes its folder. OSError where that cannot be; the old file is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else memoryview(content)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), PERMISSIONS & ~_umask())
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None  # a full disk names no file, and others the temporary one
        raise


def link(source: Path, path: Path) -> None:
    """Makes `path` another name of a file, or a copy of it where the disk has no links."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.hardlink_to(source)
    except OSError:
        write(path, source.read_bytes())
        return
    beside.replace(path)
    beside.unlink(missing_ok=True)  # which stays where both were one file before


def write_json(path: Path, content: Any) -> None:
    """Numbers that JSON has no word for (nan, inf) become null, so that every reader can parse the file."""
    write(path, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")


def write_yaml(path: Path, content: Any) -> None:
    write(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def read_json(path: Path) -> Any:
    """The file's content; {} where there is no file."""
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def read_yaml(path: Path) -> Any:
    """The file's content; {} where there is no file."""
    if not path.exists():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text("utf-8"), Loader=loader)


def remove(path: Path) -> None:
    """A file, a link or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def refuse_links(folder: Path) -> None:
    """UserError where a folder in it is a link that leads out of it, through which would be written."""
    for path in folder.rglob("*"):
        if path.is_symlink() and path.is_dir() and not path.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{path} is a link to {path.resolve()}, out of {folder}: put there what it leads to")


def _finite(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _finite(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_finite(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
