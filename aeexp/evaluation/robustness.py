"""Robustness to corruption: squared error and accuracy by level; the norm of the encoder's Jacobian.

    squared_error, squared_error_<corruption>_<level>   ||x - g(f(x~))||^2 against the clean x, as in Vincent et al.
                    (2010), Stacked denoising autoencoders; level 0 has no suffix
    accuracy, accuracy_<corruption>_<level>     of a logistic regression on clean training codes, centred and divided
                    by one common factor, that reads the codes of x~
    C               inverse strength of its L2 penalty, chosen on validation codes
    jacobian        sqrt of the mean of ||J_f(x)||_F^2: Rifai et al. (2011), Contractive auto-encoders
    jacobian_relative    the same, per deviation of the code: sqrt of the sum of its units' variances

of `examples` of the test set, the regression on as many training examples, drawn from `seed`; the same noise for every
model. The pictures show raw pixels in grey: the squared error of x~ itself, and the same regression on it. Memory: four
times these examples. A model without a code has errors alone; a code that is rounded has no Jacobian.
"""

from collections.abc import Callable
from math import isnan

import torch
from torch import Tensor, nn

from aeexp.context.base import EvaluationContext, Result
from aeexp.context.corrupted import Point, Reader
from aeexp.data.examples import Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.metrics.jacobian import responds, root_mean_square
from aeexp.metrics.logistic import LogisticProbe
from aeexp.plots.robustness import curves
from aeexp.types import Batch


class CorruptionLevels:
    """A corruption at several `levels` of its `option`."""

    def __init__(self, corruption: Callable[..., nn.Module], option: str, levels: list[float]) -> None:
        self.option = option
        try:
            self.at = {level: corruption(**{option: level}) for level in sorted(levels)}
        except TypeError as error:
            raise UserError(f"option={option} is none of the corruption, {error}: choose one that it has") from None


class Robustness:
    def __init__(
        self,
        corruptions: dict[str, CorruptionLevels],
        examples: int,
        C: list[float],
        max_iter: int,
        differentiated: int,
        probes: int,
        perturbation: float,
        seed: int,
    ) -> None:
        if min(examples, differentiated, probes) < 1:
            raise UserError(
                f"robustness.examples={examples}, differentiated={differentiated} and "
                f"probes={probes} are counts: choose at least 1 of each"
            )
        self.corruptions, self.examples = corruptions, examples
        self.probe = LogisticProbe(C, max_iter)
        self.differentiated, self.probes, self.perturbation, self.seed = differentiated, probes, perturbation, seed

    def __call__(self, context: EvaluationContext) -> Result:
        train, val, test = (self._drawn(part) for part in (context.data.train, context.data.val, context.data.test))
        with torch.no_grad():
            model = Reader(context.model.reconstruct, lambda x: context.model.encode(x).mean.flatten(1))
            raw = Reader(lambda x: x, lambda x: x.flatten(1))
            for reader in (model, raw):
                reader.learn(train, val, self.probe)
            ours, pixels = self._by_level(model, test), self._by_level(raw, test)
        metrics = {}
        for name, points in ours.items():
            for level, (error, accuracy) in points.items():
                suffix = f"_{name}_{level:g}" if level else ""
                metrics[f"squared_error{suffix}"] = error
                metrics |= {} if isnan(accuracy) else {f"accuracy{suffix}": accuracy}
        metrics |= {} if isnan(model.C) else {"C": model.C}
        metrics |= self._jacobian(model, test.x[: self.differentiated], self.perturbation * context.data.scale)
        return Result(
            metrics, curves(ours, pixels, {n: g.option for n, g in self.corruptions.items()}, context.model_name)
        )

    def _drawn(self, part: Examples) -> Batch:
        generator = torch.Generator().manual_seed(self.seed)
        return part[torch.randperm(len(part), generator=generator)[: self.examples]]

    def _by_level(self, reader: Reader, test: Batch) -> dict[str, dict[float, Point]]:
        """By corruption and by level, from 0."""
        clean = reader.read(test.x, test)
        by_level = {name: {0.0: clean} for name in self.corruptions}
        for name, levels in self.corruptions.items():
            for level, corruption in levels.at.items():
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(self.seed)
                    corrupted = corruption(test.x)
                by_level[name][level] = reader.read(corrupted, test)
        return by_level

    def _jacobian(self, reader: Reader, x: Tensor, perturbation: float) -> dict[str, float]:
        """Nothing of a model without a code, or whose code is rounded."""
        generator = torch.Generator().manual_seed(self.seed)
        try:
            spread = reader.encode(x).detach().double().var(0, correction=0).sum().item() ** 0.5
            if spread == 0 or not responds(reader.encode, x, perturbation, generator):
                return {}
        except NotApplicable:
            return {}
        norm = root_mean_square(reader.encode, x, self.probes, generator)
        return {"jacobian": norm, "jacobian_relative": norm / spread}
