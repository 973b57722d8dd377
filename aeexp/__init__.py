"""Config-driven experiments with autoencoders."""

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aeexp.api.loaded import Loaded

__version__ = "0.2.0"


def load(run: str | PathLike[str], device: str = "cpu") -> "Loaded":
    """The model of a finished run, for arrays and pictures. UserError where it is none, or `device` is not there."""
    from aeexp.api.loaded import loaded  # here, so that what needs no torch can import this package without it

    return loaded(run, device)
