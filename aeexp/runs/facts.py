"""What a number depends on beside its configuration."""

import resource
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("aeexp", "torch", "torchvision", "pytorch-lightning", "hydra-core", "numpy", "scikit-learn")


@cache
def environment() -> dict[str, Any]:
    """Versions of packages, the commit of this project, and whether the tree was dirty (null outside a checkout)."""
    commit = _git("rev-parse", "HEAD")
    dirty = None if commit is None else bool(_git("status", "--porcelain", "--untracked-files=no"))
    return {"versions": {name: version(name) for name in PACKAGES}, "commit": commit, "dirty": dirty}


def peak_memory() -> int:
    """Bytes, the largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _git(*words: str) -> str | None:
    """What git says of this project; None where there is no git, or no checkout."""
    try:
        done = subprocess.run(["git", "-C", Path(__file__).parent, *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
