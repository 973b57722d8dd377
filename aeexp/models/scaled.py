"""A model of scaled examples, x' = (x - shift) * factor; what it takes and gives is x in the data's own units.

    log p(x | z) = log p(x' | z) + sum_i log factor_i

The objective is that of x'. shift and factor are fitted to the training examples, and kept with the weights.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from aeexp.codes.base import Posterior
from aeexp.errors import UserError
from aeexp.models.base import Autoencoder, Components
from aeexp.scalings import Scaling
from aeexp.types import Batch, Code, Loss

INSTEAD = {  # of what reads numbers in [0, scale] alone
    "likelihood": "likelihood=gaussian",
    "corruption": "corruption.clip=false or corruption=masking",
    "model": "another model",
}


class Scaled(Autoencoder):
    """`inner` is the model of x'; attributes that are not here are its own."""

    shift: Tensor  # (*shape)
    factor: Tensor  # (*shape)

    def __init__(self, inner: Autoencoder, scaling: Scaling, components: Components) -> None:
        super().__init__()
        if not scaling.bounded:
            read = {"likelihood": components.likelihood, "corruption": components.corruption, "model": inner}
            refuse_bounded(read, f"the scaling {type(scaling).__name__} gives", "scaling=min_max")
        self.inner, self.scaling = inner, scaling
        self.stages, self.reads_labels = inner.stages, inner.reads_labels
        self.register_buffer("shift", torch.zeros(components.shape))
        self.register_buffer("factor", torch.ones(components.shape))

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)

    def initialize(self, batches: Iterable[Batch]) -> None:
        shift, factor = self.scaling.fit(batches)
        self.shift.copy_(shift)
        self.factor.copy_(factor)
        self.inner.initialize(self._batch(batch) for batch in batches)

    def loss(self, batch: Batch) -> Loss:
        self.inner.stage = self.stage
        return self.inner.loss(self._batch(batch))

    def clean_loss(self, batch: Batch) -> Loss:
        return self.inner.clean_loss(self._batch(batch))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        return self.inner.encode(self._scaled(x), y)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self._unscaled(self.inner.decode(z, y))

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self._unscaled(self.inner.reconstruct(self._scaled(x), y))

    def class_probabilities(self, x: Tensor) -> Tensor:
        return self.inner.class_probabilities(self._scaled(x))

    def symbols(self, z: Tensor) -> Tensor:
        return self.inner.symbols(z)

    def posterior(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        return self.inner.posterior(self._scaled(x), y)

    def log_likelihood(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.inner.log_likelihood(self._scaled(x), z, y) + self.factor.log().sum()

    def _batch(self, batch: Batch) -> Batch:
        return Batch(self._scaled(batch.x), batch.y)

    def _scaled(self, x: Tensor) -> Tensor:
        return (x - self.shift) * self.factor

    def _unscaled(self, x: Tensor) -> Tensor:
        return x / self.factor + self.shift


def refuse_bounded(parts: Mapping[str, Any], giver: str, otherwise: str) -> None:
    """UserError where one of the likelihood, the corruption and the model is of numbers in [0, 1] alone."""
    for what, part in parts.items():
        if part.bounded:
            raise UserError(
                f"{giver} numbers beyond [0, 1], but the {what} {type(part).__name__} is of numbers within: choose "
                f"{INSTEAD[what]}, or {otherwise}"
            )
