"""Compression of the code: rate and distortion of uniform scalar quantization, b bits a unit.

    squared_error_<b>    ||x - g(q_b(f(x)))||^2, summed over the example; a symbol stands for the mean of the training
                         values in its interval, or for the interval's middle where it has none
    bits_<b>             sum_j -log2 p_j(symbol of unit j), with p_j its frequencies over the training codes: the length
                         under an arithmetic coder that treats the units as independent; at most about b D
    squared_error, bits  of the code as it is: 32 bits a unit, or as above of the symbols of a codebook, and of units
                         whose distinct values are few (binary codes)
    lossless_bits        the least bits_<b> at which the squared error is within `tolerance` of the unquantized one

averaged over `examples` of the test set; ranges, means and frequencies are those of `counted` training codes.
Uniform quantization and entropy coding: Balle, Laparra and Simoncelli (2017), End-to-end optimized image compression,
where the code is also trained for it.
"""

import torch
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result
from aeexp.data.examples import BATCH
from aeexp.errors import UserError
from aeexp.metrics.quantization import centroids, code_length, lossless_bits, quantize
from aeexp.plots.curves import rate_distortion


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
        unquantized = lossless_bits(context.symbols(train), context.symbols(z)), self._error(context, z)
        curve = {}
        for b in sorted(self.levels):
            known, symbols = quantize(train, train, b), quantize(z, train, b)
            values = centroids(known, train, b).gather(0, symbols)
            curve[b] = code_length(known, symbols, 2**b), self._error(context, values)
        metrics = {"bits": unquantized[0], "squared_error": unquantized[1]}
        for b, (bits, error) in curve.items():
            metrics |= {f"bits_{b}": bits, f"squared_error_{b}": error}
        limit = (1 + self.tolerance) * unquantized[1]
        metrics["lossless_bits"] = min(bits for bits, error in [*curve.values(), unquantized] if error <= limit)
        return Result(metrics, {"rate_distortion": rate_distortion(curve, unquantized[1], context.model_name)})

    def _error(self, context: EvaluationContext, z: Tensor) -> float:
        """The mean squared error of decoded codes (n, D) to the first n test examples."""
        places = torch.arange(len(z)).split(BATCH)
        errors = [(context.data.test[some].x - context.decode(z[some])).square().flatten(1).sum(1) for some in places]
        return torch.cat(errors).double().mean().item()
