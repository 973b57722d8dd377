"""Restoration of corrupted test examples, such as denoising: squared error and PSNR against the clean ones.

    squared_error, psnr                 of what the model makes of the corrupted image
    input_squared_error, input_psnr     of the corrupted image itself, the result of the identity
    gain                                psnr - input_psnr, dB

PSNR as in `reconstruction`, of the mean squared error over all test images, which is finite where a single image is
left as it was. The same noise for every model: it is drawn from `seed`. Recordings are also written as sound files.
"""

from math import log10, prod

import torch
from torch import Tensor, nn

from aeexp.context.base import EvaluationContext, Result
from aeexp.context.sounds import wav
from aeexp.plots.grid import Row, grid
from aeexp.plots.palette import colour
from aeexp.plots.style import GREY
from aeexp.types import Batch

SHOWN = 10


class Restoration:
    def __init__(self, corruption: nn.Module, seed: int) -> None:
        self.corruption, self.seed = corruption, seed

    def __call__(self, context: EvaluationContext) -> Result:
        data = context.data

        def errors(batch: Batch) -> Tensor:
            corrupted, restored = self._restored(context, batch.x)
            return torch.stack([_error(restored, batch.x), _error(corrupted, batch.x)], dim=1)  # (B, 2)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            error, own = context.map(errors, data.test).double().mean(0).tolist()
            torch.manual_seed(self.seed)
            # spread over the test part, which may be in the order of its classes
            truth = data.test[torch.linspace(0, len(data.test) - 1, min(SHOWN, len(data.test))).long()].x
            with torch.no_grad():
                corrupted, restored = self._restored(context, truth)
        peak = data.scale**2 * prod(data.shape)
        psnr, input_psnr = (10 * log10(peak / e) if e > 0 else float("inf") for e in (error, own))
        metrics = {"squared_error": error, "psnr": psnr, "input_squared_error": own, "input_psnr": input_psnr}
        gain = {"gain": psnr - input_psnr} if own > 0 else {}
        shown = {"input": corrupted, "output": restored, "truth": truth}
        inks = (GREY, colour(context.model_name), GREY)
        rows = [Row(name, x, ink=ink) for (name, x), ink in zip(shown.items(), inks, strict=True)]
        heard = {f"restorations-{name}": wav(x, data.scale, data.rate) for name, x in shown.items() if data.rate}
        return Result({**metrics, **gain}, {"restorations": grid([rows], data.scale)}, heard)

    def _restored(self, context: EvaluationContext, x: Tensor) -> tuple[Tensor, Tensor]:
        corrupted = self.corruption(x)
        return corrupted, context.model.reconstruct(corrupted)


def _error(a: Tensor, b: Tensor) -> Tensor:
    """(B,)"""
    return (a - b).square().flatten(1).sum(1)
