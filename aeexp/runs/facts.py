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
    """Versions of packages, and the commit of this project (null outside a checkout)."""
    return {"versions": {name: version(name) for name in PACKAGES}, "commit": _commit()}


def peak_memory() -> int:
    """Bytes, the largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
