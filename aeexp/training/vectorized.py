"""The models of n runs as one function: every weight is stacked, (n, *shape), and the objective is mapped over it."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from aeexp.models.base import Autoencoder
from aeexp.training.draws import Draw, Given, drawn, recorded
from aeexp.types import Batch

Measure = Callable[[Batch], dict[str, Tensor]]  # of the first model, means over a batch


class Vectorized:
    """`weights` has the parameters of all models, (n, *shape), in the order of a model's own.

    The models' own weights become views of these, so that each goes on to work by itself. What decides the shapes and
    the order of their computations has to be alike in all of them.
    """

    def __init__(self, models: Sequence[Autoencoder]) -> None:
        self.models, self.template = models, models[0]
        stacked, self.buffers = stack_module_state([*models])
        self.named = {name: nn.Parameter(value.detach(), value.requires_grad) for name, value in stacked.items()}
        self.share(torch.device("cpu"))
        self.weights = [*self.named.values()]
        self.draws: dict[tuple[object, ...], list[Draw]] = {}

    def share(self, device: torch.device) -> None:
        """Makes the weights of each model views of the stacked ones, which are on this device."""
        self.buffers = {name: value.to(device) for name, value in self.buffers.items()}
        for name, stacked in [*self.named.items(), *self.buffers.items()]:
            for i, model in enumerate(self.models):
                _at(model, name).data = stacked.detach()[i]

    def __call__(self, measure: Measure, batch: Batch, generators: list[torch.Generator]) -> dict[str, Tensor]:
        """What `measure` says of each model, each (n, ...), on its own batch: x (n, B, *shape), y (n, B)."""
        numbers = drawn(self._draws(measure, batch), generators)
        state = {f"model.{name}": value for name, value in {**self.named, **self.buffers}.items()}
        measured = _Measured(self.template, measure)

        def one(state: dict[str, Tensor], x: Tensor, y: Tensor, numbers: list[Tensor]) -> dict[str, Tensor]:
            if not numbers:
                return functional_call(measured, state, (x, y))
            with Given(numbers):
                return functional_call(measured, state, (x, y))

        return vmap(one)(state, batch.x, batch.y, numbers)

    def _draws(self, measure: Measure, batch: Batch) -> list[Draw]:
        """What a model draws of such a batch: of the same sizes, in the same mode and stage, always the same."""
        kind = (measure, batch.x.shape, self.template.training, self.template.stage)
        if kind not in self.draws:
            kept = {name: value.clone() for name, value in self.template.state_dict().items()}
            self.draws[kind] = recorded(lambda: measure(Batch(batch.x[0], batch.y[0])))
            self.template.load_state_dict(kept)  # which measuring may have changed
        return self.draws[kind]


class _Measured(nn.Module):
    def __init__(self, model: Autoencoder, measure: Measure) -> None:
        super().__init__()
        self.model, self.measure = model, measure

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return self.measure(Batch(x, y))


def _at(model: nn.Module, name: str) -> Tensor:
    path, _, last = name.rpartition(".")
    return getattr(model.get_submodule(path), last)
