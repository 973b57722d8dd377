"""Statistics of the mean code's units: active and constant units, effective rank, correlation, information, sparsity.

active_units    units whose variance is beyond 0.01 of that of the most variable unit. Burda, Grosse and
                Salakhutdinov (2016), section 5.2, have 0.01 itself, for codes of which a prior fixes the scale;
                relative to the largest, it is the same for them and means something of any code
dead_units      units that have one value for all examples
effective_rank  exp(-sum_i p_i log p_i), p_i = s_i / sum s, of the singular values s of the centred codes: Roy and
                Vetterli (2007), The effective rank; Garrido et al. (2023), RankMe. From 1, of a line, to D; 0 of a
                constant code
correlation     mean |correlation| of two different units that are not dead
mean_activation, active_fraction, l0, l1    the mean value of a unit; the fraction and the number of units of an example
                that are not 0; sum_j |z_j|, averaged over the examples
information_mean, information_max    mutual information of a unit with the label, over all units, in nats: of the
                unit's `bins` equally frequent intervals, by counting. Chance alone gives about
                (bins - 1) (classes - 1) / (2 N); at most
label_entropy   H(y), the information of a unit that determines the class
codes_used, perplexity    of a code whose symbols are entries of a codebook: how many different ones there are, and exp
                of the entropy of their frequencies, of all positions together; the figure `codebook` shows these

over the test examples.
"""

import torch
from sklearn.metrics import mutual_info_score
from torch import Tensor

from aeexp.codes.gaussian import ACTIVE
from aeexp.context.base import EvaluationContext, Result
from aeexp.errors import UserError
from aeexp.metrics.units import (
    constant_units,
    effective_rank,
    mean_correlation,
    mutual_information,
    relative_variance,
    sparsity,
)
from aeexp.plots.units import codebook_chart, unit_charts


class Representation:
    def __init__(self, bins: int) -> None:
        if bins < 2:
            raise UserError(f"representation.bins={bins} intervals carry no information: choose at least 2")
        self.bins = bins

    def __call__(self, context: EvaluationContext) -> Result:
        z, y = context.codes(context.data.test), context.data.test.y
        information, entropy = self.information(z, y)
        figure = unit_charts(relative_variance(z), ACTIVE, information, entropy, context.model_name)
        metrics = unit_metrics(z)
        if len(information):
            mean, largest = information.mean().item(), information.max().item()
            metrics |= {"information_mean": mean, "information_max": largest, "label_entropy": entropy}
        figures = {"units": figure}
        symbols = context.symbols(z)
        if not symbols.is_floating_point():
            counts = symbols.unique(return_counts=True)[1].double().sort(descending=True).values
            shares = counts / counts.sum()
            metrics |= {"codes_used": float(len(shares)), "perplexity": torch.special.entr(shares).sum().exp().item()}
            figures["codebook"] = codebook_chart(shares, context.model_name)
        return Result(metrics, figures)

    def information(self, z: Tensor, y: Tensor) -> tuple[Tensor, float]:
        """The mutual information of each unit with the label (D,), empty without labels, and H(y), nats"""
        known = y >= 0
        if not known.any():
            return z.new_empty(0), 0.0
        return mutual_information(z[known], y[known], self.bins), mutual_info_score(y[known], y[known])


def unit_metrics(z: Tensor) -> dict[str, float]:
    """Codes (N, D) -> the metrics that need no labels"""
    dead = constant_units(z)
    metrics = {
        "active_units": float((relative_variance(z) > ACTIVE).sum()),
        "dead_units": float(dead.sum()),
        "effective_rank": effective_rank(z.double()),
        **sparsity(z),
    }
    return metrics | ({"correlation": mean_correlation(z[:, ~dead].double())} if (~dead).sum() > 1 else {})
