"""Compression of the code: rate and distortion of uniform scalar quantization, b bits a unit.

    squared_error_<b>    ||x - g(q_b(f(x)))||^2, summed over the example; a symbol stands for the mean of the training
                         values in its interval, or for the interval's middle where it has none
    bits_<b>             sum_j -log2 p_j(symbol of unit j), with p_j its frequencies over the training codes: the length
                         under an arithmetic coder that treats the units as independent; at most about b D
    squared_error, bits  of the code as it is: 32 bits a unit, or as above of the symbols of a codebook, and of units
                         whose distinct values are few (binary codes)
    lossless_bits        the least bits_<b> at which the squared error is within `tolerance` of the unquantized one
    jpeg_bits, webp_bits what these codecs need of an image for the squared error of the unquantized code, on one sheet
                         of all images (aeexp/metrics/codecs.py); none where no quality of theirs has this error
    png_bits             what PNG needs of an image without any error

averaged over `examples` of the test set; ranges, means and frequencies are those of `counted` training codes.
Uniform quantization and entropy coding: Balle, Laparra and Simoncelli (2017), End-to-end optimized image compression,
where the code is also trained for it.
"""

import torch
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result
from aeexp.data.examples import BATCH
from aeexp.errors import UserError
from aeexp.metrics.codecs import Curve, bits_at, by_codec, by_png
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
        codecs = self._codecs(context, len(z))
        beside = {name: bits_at(unquantized[1], of_codec) for name, of_codec in codecs.items()}
        metrics |= {f"{name}_bits": bits for name, bits in beside.items() if bits is not None}
        figure = rate_distortion(curve, unquantized[1], context.model_name, codecs)
        return Result(metrics, {"rate_distortion": figure})

    def _codecs(self, context: EvaluationContext, n: int) -> dict[str, Curve]:
        """Bits and squared error of the first n test examples by codecs; {} where they are no gray or colour images."""
        x, scale = context.data.test[torch.arange(n)].x, context.data.scale
        if not context.data.bounded or x.dim() != 4 or x.shape[1] not in (1, 3):
            return {}
        curves = {"jpeg": by_codec(x / scale, "JPEG"), "webp": by_codec(x / scale, "WEBP"), "png": by_png(x / scale)}
        return {name: [(bits, error * scale**2) for bits, error in curve] for name, curve in curves.items()}

    def _error(self, context: EvaluationContext, z: Tensor) -> float:
        """The mean squared error of decoded codes (n, D) to the first n test examples."""
        places = torch.arange(len(z)).split(BATCH)
        errors = [(context.data.test[some].x - context.decode(z[some])).square().flatten(1).sum(1) for some in places]
        return torch.cat(errors).double().mean().item()
