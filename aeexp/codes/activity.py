"""How many units of a sparse code work."""

from torch import Tensor

from aeexp.types import EpochStatistic


def activity(active: Tensor) -> dict[str, Tensor | EpochStatistic]:
    """Which units are active (B, *positions, D) -> what is logged of them.

    l0               active units of a code, averaged over the examples
    active_fraction  of the D units
    dead             units that no example of the epoch made active
    """
    often = active.reshape(active.shape[0], -1, active.shape[-1]).float().mean(1)  # (B, D), over the positions
    return {"activity": EpochStatistic(often, _read)}


def _read(often: Tensor) -> dict[str, Tensor]:
    return {"l0": often.sum(), "active_fraction": often.mean(), "dead": (often == 0).sum().float()}
