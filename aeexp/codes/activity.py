"""Activity of a sparse code: its L0 norm, the fraction of active units, and dead units."""

from torch import Tensor

from aeexp.types import EpochStatistic


def activity(active: Tensor) -> dict[str, Tensor | EpochStatistic]:
    """Statistics of which units are active, (B, *positions, D).

    l0               active units of a code, averaged over the examples
    active_fraction  l0 / D
    dead             units that no example of the epoch activates
    """
    frequency = active.reshape(active.shape[0], -1, active.shape[-1]).float().mean(1)  # (B, D), over the positions
    return {"activity": EpochStatistic(frequency, _summary)}


def _summary(frequency: Tensor) -> dict[str, Tensor]:
    return {"l0": frequency.sum(), "active_fraction": frequency.mean(), "dead": (frequency == 0).sum().float()}
