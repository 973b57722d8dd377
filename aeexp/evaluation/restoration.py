"""Restoration of corrupted test examples, such as denoising: squared error and PSNR against the clean ones.

    squared_error, psnr                 of what the model makes of the corrupted image
    input_squared_error, input_psnr     of the corrupted image itself, the result of the identity
    gain                                psnr - input_psnr, dB
    filter_psnr                         of the best of classical `filters` for images; the facts name it
    pixelwise_psnr                      of a line for each number, fitted to corrupted training examples

PSNR as in `reconstruction`, of the mean squared error over all test images, which is finite where a single image is
left as it was. The same noise for every model: it is drawn from `seed`. The filter is chosen by the squared error of
at most `examples` validation examples; the baselines are defined in aeexp.context.restorers. Recordings are also
written as sound files.
"""

from collections.abc import Callable, Mapping
from math import log10, prod

import torch
from torch import Tensor, nn

from aeexp.context.base import EvaluationContext, Result
from aeexp.context.restorers import Filter, Pixelwise
from aeexp.context.sounds import wav
from aeexp.data.examples import BATCH, Examples
from aeexp.errors import UserError
from aeexp.plots.grid import Row, grid
from aeexp.plots.palette import colour
from aeexp.plots.style import GREY
from aeexp.types import Batch

SHOWN = 10


class Restoration:
    def __init__(self, corruption: nn.Module, filters: Mapping[str, Filter], examples: int, seed: int) -> None:
        if examples < 1:
            raise UserError(f"restoration.examples={examples} choose the filter: take at least 1")
        self.corruption, self.filters, self.examples, self.seed = corruption, filters, examples, seed

    def __call__(self, context: EvaluationContext) -> Result:
        data = context.data
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            pixelwise = Pixelwise(self.corruption, data.train.batches(BATCH))
            chosen = self._best_filter(context)
            restorers: dict[str, Callable[[Tensor], Tensor]] = {"": context.model.reconstruct, "input": lambda x: x}
            restorers |= {"pixelwise": pixelwise, **({"filter": chosen[1]} if chosen else {})}
            errors = self._errors(context, data.test, restorers)
            torch.manual_seed(self.seed)
            # spread over the test part, which may be in the order of its classes
            truth = data.test[torch.linspace(0, len(data.test) - 1, min(SHOWN, len(data.test))).long()].x
            with torch.no_grad():
                corrupted = self.corruption(truth)
                restored = context.model.reconstruct(corrupted)
        peak = data.scale**2 * prod(data.shape)
        psnr = {name: 10 * log10(peak / e) if e > 0 else float("inf") for name, e in errors.items()}
        metrics = {"squared_error": errors[""], "input_squared_error": errors["input"]}
        metrics |= {f"{name}_psnr".removeprefix("_"): value for name, value in psnr.items()}
        gain = {"gain": psnr[""] - psnr["input"]} if errors["input"] > 0 else {}
        filtered = {chosen[0].replace("_", " "): chosen[1](corrupted)} if chosen else {}
        shown = {"input": corrupted, **filtered, "output": restored, "truth": truth}
        rows = [Row(name, x, ink=colour(context.model_name) if name == "output" else GREY) for name, x in shown.items()]
        heard = {f"restorations-{name}": wav(x, data.scale, data.rate) for name, x in shown.items() if data.rate}
        facts = {"filter": chosen[0]} if chosen else {}
        return Result({**metrics, **gain}, {"restorations": grid([rows], data.scale)}, heard, facts)

    def _best_filter(self, context: EvaluationContext) -> tuple[str, Filter] | None:
        """Its name too; None where there are none, or no images."""
        val = context.data.val
        if not self.filters or len(context.data.shape) != 3:
            return None
        some = val.first(self.examples)
        errors = self._errors(context, some, self.filters)
        name = min(errors, key=lambda name: errors[name])
        return name, self.filters[name]

    def _errors(
        self, context: EvaluationContext, part: Examples, restorers: Mapping[str, Callable[[Tensor], Tensor]]
    ) -> dict[str, float]:
        """The mean squared error of each, of the same corrupted examples."""

        def measured(batch: Batch) -> Tensor:
            corrupted = self.corruption(batch.x)
            each = [(restore(corrupted) - batch.x).square().flatten(1).sum(1) for restore in restorers.values()]
            return torch.stack(each, 1)

        torch.manual_seed(self.seed)
        return dict(zip(restorers, context.map(measured, part).double().mean(0).tolist(), strict=True))
