"""How many bits of the code a reconstruction needs: each unit in b bits.

A symbol is which of 2^b equal intervals between the unit's extremes a value is in; it stands for the mean of the
training values in there, which seed_groups bits what they are, or for the middle of an interval that has none.

    squared_error_<b>    ||x - g(q_b(f(x)))||^2, summed over the example
    bits_<b>             sum_j -log2 p_j(symbol of unit j), with p_j its frequencies over the training codes, one added
                         to each count: what an arithmetic coder needs that knows nothing else; at most about b D
    squared_error, bits  of the code as it is: 32 bits a unit, or as above where its values are few (binary and
                         vector-quantised codes: most training values are no one's alone)
    enough               the least bits_<b> at which the squared error is no more than `tolerance` above that

averaged over `examples` of the test set; extremes, means and frequencies are those of `counted` training codes.
Uniform quantisation and entropy coding: Balle, Laparra and Simoncelli (2017), End-to-end optimized image compression,
where the code is also trained for it.
"""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from aeexp.codes.vq import VQ
from aeexp.context.base import EvaluationContext, Result
from aeexp.data.examples import BATCH
from aeexp.errors import UserError
from aeexp.models.base import Autoencoder, Factored
from aeexp.plots.palette import colour
from aeexp.plots.style import GREY, SMALL, charts

FLOAT = 32  # bits


class Compression:
    def __init__(self, levels: list[int], examples: int, counted: int, tolerance: float) -> None:
        if not levels or min(levels) < 1 or max(levels) > 16 or min(examples, counted) < 1 or tolerance < 0:
            raise UserError(
                f"compression.levels={levels} are bits a unit, of examples={examples} by counted={counted}, within "
                f"tolerance={tolerance}: choose levels from 1 to 16, at least 1 example and a tolerance of at least 0"
            )
        self.levels, self.examples, self.counted, self.tolerance = levels, examples, counted, tolerance

    def __call__(self, context: EvaluationContext) -> Result:
        train = context.codes(context.data.train)[: self.counted]
        z = context.codes(context.data.test)[: self.examples]
        own = own_bits(train, z, symbol_width(context.model)), self._error(context, z)
        curve = {}
        for b in sorted(self.levels):
            known, encode_switches = symbols(train, train, b), symbols(z, train, b)
            values = meanings(known, train, b).gather(0, encode_switches)
            curve[b] = code_length(known, encode_switches, 2**b), self._error(context, values)
        metrics = {"bits": own[0], "squared_error": own[1]}
        for b, (bits, error) in curve.items():
            metrics |= {f"bits_{b}": bits, f"squared_error_{b}": error}
        enough = [bits for bits, error in [*curve.values(), own] if error <= (1 + self.tolerance) * own[1]]
        return Result(
            {**metrics, "enough": min(enough)}, {"rate_distortion": _figure(curve, own[1], context.model_name)}
        )

    def _error(self, context: EvaluationContext, z: Tensor) -> float:
        """Of what is decoded from the codes (n, D) of the first n test examples."""
        places = torch.arange(len(z)).split(BATCH)
        errors = [(context.data.test[some].x - context.decode(z[some])).square().flatten(1).sum(1) for some in places]
        return torch.cat(errors).double().mean().item()


def symbols(z: Tensor, train: Tensor, b: int) -> Tensor:
    """Codes (M, D) -> (M, D) int64 in [0, 2^b), by the extremes of the training codes (N, D)"""
    low, high = train.min(0).values, train.max(0).values
    return ((z - low) / (high - low).clamp_min(1e-30) * 2**b).long().clamp(0, 2**b - 1)


def meanings(known: Tensor, train: Tensor, b: int) -> Tensor:
    """Symbols and codes (N, D) -> the mean of the codes of each symbol, (2^b, D), the interval's middle without any."""
    low, high = train.min(0).values, train.max(0).values
    middle = low + (high - low) * (torch.arange(2**b)[:, None] + 0.5) / 2**b
    return middle.scatter_reduce(0, known, train, "mean", include_self=False)


def code_length(known: Tensor, encode_switches: Tensor, size: int) -> float:
    """Mean over encode_switches examples of sum_j -log2 p_j(symbol): symbols (N, D) and (M, D) of an alphabet of `size`."""
    counts = torch.zeros(size, known.shape[1], dtype=torch.float64)
    counts.scatter_add_(0, known, torch.ones_like(known, dtype=torch.float64))
    p = (counts + 1) / (len(known) + size)
    return -p.gather(0, encode_switches).log2().sum(1).mean().item()


def own_bits(train: Tensor, test: Tensor, width: int) -> float:
    """Of the codes as they are, (N, D) and (M, D), where each `width` units are one symbol."""
    total = 0.0
    for known, encode_switches in zip(train.split(width, 1), test.split(width, 1), strict=True):
        values, numbers = torch.cat([known, encode_switches]).unique(dim=0, return_inverse=True)
        few = 2 * len(values) <= len(numbers)
        first, second = numbers[: len(known), None], numbers[len(known) :, None]
        total += code_length(first, second, len(values)) if few else FLOAT * known.shape[1]
    return total


def symbol_width(model: Autoencoder) -> int:
    """How many units one symbol decides: those of a codebook's entry together, else each alone."""
    code = model.code if isinstance(model, Factored) else None
    return code.width if isinstance(code, VQ) else 1


def _figure(curve: dict[int, tuple[float, float]], error: float, model: str) -> Figure:
    figure, (axes,) = charts([""], 2.2)
    bits, errors = zip(*curve.values(), strict=True)
    axes.axhline(error, color=GREY, linewidth=0.8, linestyle="--", label="not quantised")
    axes.plot(bits, errors, marker="o", markersize=3, linewidth=1, color=colour(model), label=model)
    last = -max(bits)
    for b, (x, y) in curve.items():
        if x - last > 0.03 * max(bits):  # one label where points lie on one another, as those of bits
            axes.annotate(str(b), (x, y), textcoords="offset points", xytext=(3, 3), fontsize=SMALL)
            last = x
    axes.set(xlabel="bits an example, entropy-encode_switches (beside a point: bits a unit)", ylabel="squared error")
    axes.set(xlim=(0, 1.05 * max(bits)), ylim=(0, 1.1 * max(*errors, error) + 1e-9))
    axes.legend(fontsize=SMALL, frameon=False)
    return figure
