"""What a number depends on beside its configuration."""

import datetime
import os
import resource
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import aeexp

PACKAGES = ("torch", "torchvision", "pytorch-lightning", "hydra-core", "numpy", "scikit-learn")


@cache
def environment() -> dict[str, Any]:
    """Versions of packages (null where one is not installed), the commit of this project, and whether it was dirty.

    The last two are null outside a checkout of this project, whatever repository an installed package lies in.
    """
    commit = _git("rev-parse", "HEAD") if _git("ls-files", "--error-unmatch", __file__) else None
    dirty = None if commit is None else bool(_git("status", "--porcelain", "--untracked-files=no"))
    return {
        "versions": {"aeexp": aeexp.__version__, **{name: _version(name) for name in PACKAGES}},
        "commit": commit,
        "dirty": dirty,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def peak_memory() -> int:
    """Bytes, the largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def now() -> str:
    """The time in UTC, to the second, as ISO 8601 writes it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def memory() -> float:
    """Bytes of this machine; infinite where the system does not say."""
    names = getattr(os, "sysconf_names", {})
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if "SC_PHYS_PAGES" in names else float("inf")


def ended(process: Any) -> bool:
    """Whether a process of this machine is gone, or waits for nothing but its parent to look at it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except OSError:
        return True


def _git(*words: str) -> str | None:
    """What git says of this project; None where there is no git, or no checkout."""
    try:
        done = subprocess.run(["git", "-C", Path(__file__).parent, *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
