"""The content of a user's own files as a digest, by which a run is told from one on other files of the same names."""

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any


def digest(source: Any, root: Path) -> str | None:
    """Of the names and the bytes of the source's files; None of a source that names none, or where one is missing."""
    files = getattr(source, "files", None)
    if files is None:
        return None
    try:
        found = sorted(files(root))
        if not all(file.is_relative_to(root) for file in found):  # an absolute path was given
            root = Path(os.path.commonpath([file.parent for file in found]))
        lines = [f"{file.relative_to(root)} {_of_file(file, *_stamp(file))}" for file in found]
    except OSError:
        return None
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _stamp(file: Path) -> tuple[int, int]:
    facts = file.stat()
    return facts.st_size, facts.st_mtime_ns


@cache
def _of_file(file: Path, size: int, modified: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
