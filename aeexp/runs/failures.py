"""Why a run ended, in one line."""

import traceback
from typing import Any

from aeexp.errors import UserError


def failure(error: BaseException) -> dict[str, Any]:
    """What the status says of an error that ended a run."""
    if not isinstance(error, Exception):  # Ctrl-C
        return {"state": "interrupted"}
    return {"state": "failed", "error": sentence(error), "traceback": traceback.format_exc()}


def sentence(error: BaseException) -> str:
    """An error in one line: what a user can mend as it stands, of a system call the file, and of others the class."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
