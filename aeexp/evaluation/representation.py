"""What the units of the mean code do over the test examples.

active_units    units whose variance is beyond 0.01 of that of the most variable unit. Burda, Grosse and
                Salakhutdinov (2016), section 5.2, have 0.01 itself, for codes of which a prior fixes the scale;
                relative to the largest, it is the same for them and means something of any code
dead_units      units that have one value for all examples
effective_rank  exp(-sum_i p_i log p_i), p_i = s_i / sum s, of the singular values s of the centred codes: Roy and
                Vetterli (2007), The effective rank; Garrido et al. (2023), RankMe. From 1, of a line, to D; 0 of a
                constant code
correlation     mean |correlation| of two different units that are not dead
information_mean, information_max    mutual information of a unit with the label, over all units, in nats: of the
                unit's `bins` equally frequent intervals, by counting. Chance alone gives about
                (bins - 1) (classes - 1) / (2 N); at most
label_entropy   H(y), which a unit that tells the class reaches
"""

from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import mutual_info_score
from torch import Tensor

from aeexp.codes.gaussian import ACTIVE
from aeexp.context.base import EvaluationContext, Result
from aeexp.errors import UserError
from aeexp.plots.palette import colour
from aeexp.plots.style import GREY, SMALL, charts


class Units(NamedTuple):
    variance: Tensor  # (D,), of the largest
    information: Tensor  # (D,), nats; empty without labels
    entropy: float  # of the label, nats


class Representation:
    def __init__(self, bins: int) -> None:
        if bins < 2:
            raise UserError(f"representation.bins={bins} intervals tell nothing of a unit: choose at least 2")
        self.bins = bins

    def __call__(self, context: EvaluationContext) -> Result:
        z, y = context.codes(context.data.test), context.data.test.y
        units = self.units(z, y)
        return Result(score(z, units), {"units": _figure(units, context.model_name)})

    def units(self, z: Tensor, y: Tensor) -> Units:
        """Codes (N, D) and labels (N,), -1 where there is none"""
        known = y >= 0
        told = information(z[known], y[known], self.bins) if known.any() else z.new_empty(0)
        entropy = mutual_info_score(y[known], y[known]) if known.any() else 0.0
        return Units(relative(z.double().var(0, correction=0)), told, entropy)


def score(z: Tensor, units: Units) -> dict[str, float]:
    """Of codes (N, D)"""
    z = z.double()
    dead = (z == z[0]).all(0)
    metrics = {
        "active_units": float((units.variance > ACTIVE).sum()),
        "dead_units": float(dead.sum()),
        "effective_rank": effective_rank(z),
    }
    if (~dead).sum() > 1:
        metrics["correlation"] = correlation(z[:, ~dead])
    if len(units.information):
        told = {"mean": units.information.mean().item(), "max": units.information.max().item()}
        metrics |= {f"information_{name}": value for name, value in told.items()} | {"label_entropy": units.entropy}
    return metrics


def relative(variance: Tensor) -> Tensor:
    """(D,), of the largest; 0 of a constant code"""
    return variance / variance.max().clamp_min(torch.finfo(variance.dtype).tiny)


def effective_rank(z: Tensor) -> float:
    """(N, D) float64"""
    centred = z - z.mean(0)
    squares = torch.linalg.eigvalsh(centred.T @ centred)
    noise = max(1e-13 * squares.max().item(), 1e-28 * z.square().sum().item())  # of rounding
    s = squares.clamp_min(0).where(squares > noise, 0).sqrt()
    return torch.special.entr(s / s.sum()).sum().exp().item() if s.sum() > 0 else 0.0


def correlation(z: Tensor) -> float:
    """(N, D) of D > 1 units that vary"""
    matrix = torch.corrcoef(z.T).abs()
    off = ~torch.eye(len(matrix), dtype=torch.bool)
    return matrix[off].mean().item()


def information(z: Tensor, y: Tensor, bins: int) -> Tensor:
    """(N, D) and (N,) -> (D,), nats"""
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    each = []
    for unit in z.double().T.contiguous():
        # by place among the sorted values: torch.quantile has a limit of 2^24 values
        inner = unit.sort().values[(edges * (len(unit) - 1)).round().long()].unique()
        each.append(mutual_info_score(y, torch.bucketize(unit, inner, right=True)))
    return torch.tensor(each, dtype=torch.float64)


def _figure(units: Units, model: str) -> Figure:
    """The units in the order of their variance, and in that of their information."""
    titles = ["variance, of the largest", "information on the label"]
    figure, axes = charts(titles if len(units.information) else titles[:1], 1.7)
    _descending(axes[0], units.variance, ACTIVE, "active", model)
    axes[0].set_yscale("symlog", linthresh=ACTIVE / 10)
    axes[0].set_ylim(0, 1.5)
    for beside in axes[1:]:
        _descending(beside, units.information, units.entropy, "H(label)", model)
        beside.set(ylabel="nats", ylim=(0, 1.1 * units.entropy + 1e-9))
    return figure


def _descending(axes: Axes, values: Tensor, line: float, name: str, model: str) -> None:
    """A point a unit, sorted, and a line to compare with."""
    axes.axhline(line, color=GREY, linewidth=0.8, linestyle="--")
    axes.annotate(name, (1, line), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=SMALL)
    ranked = values.sort(descending=True).values.tolist()
    axes.plot(range(1, len(values) + 1), ranked, ".-", color=colour(model), markersize=3, linewidth=0.8)
    axes.set_xlabel("unit, sorted")
