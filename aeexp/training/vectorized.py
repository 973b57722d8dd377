"""The models of n runs as one function: every weight is stacked, (n, *shape), and the objective is mapped over it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from aeexp.models.base import Autoencoder
from aeexp.training.draws import Draw, Given, drawn, recorded
from aeexp.types import Batch

Measure = Callable[[Batch], dict[str, Tensor]]  # of the first model, means over a batch


class Vectorized:
    """`weights` has the parameters of all models, (n, *shape), in the order of a model's own.

    The models' own weights become views of these, so that each goes on to work by itself. Of what is not learned, the
    numbers that are floats may differ, such as the weight of a term: they are stacked too.
    """

    def __init__(self, models: Sequence[Autoencoder]) -> None:
        self.models, self.template = models, models[0]
        stacked, self.buffers = stack_module_state([*models])
        self.named = {name: nn.Parameter(value.detach(), value.requires_grad) for name, value in stacked.items()}
        self.weights = [*self.named.values()]
        self.numbers, self.measured = dict(_differing(models)), _Measured(self.template)
        self.share(torch.device("cpu"))
        self.draws: dict[tuple[object, ...], list[Draw]] = {}

    def share(self, device: torch.device) -> None:
        """Makes the weights of each model views of the stacked ones, which are on this device."""
        self.buffers = {name: value.to(device) for name, value in self.buffers.items()}
        self.numbers = {place: value.to(device) for place, value in self.numbers.items()}
        self.state = {f"model.{name}": value for name, value in {**self.named, **self.buffers}.items()}
        for name, stacked in [*self.named.items(), *self.buffers.items()]:
            for i, model in enumerate(self.models):
                _at(model, name).data = stacked.detach()[i]

    def __call__(self, measure: Measure, batch: Batch, generators: list[torch.Generator]) -> dict[str, Tensor]:
        """What `measure` says of each model, each (n, ...), on its own batch: x (n, B, *shape), y (n, B)."""
        noise = drawn(self._draws(measure, batch), generators)

        def one(state: dict[str, Tensor], own: list[Tensor], drawn: list[Tensor], x: Tensor, y: Tensor) -> Any:
            with self._with_numbers(own), Given(drawn) if drawn else nullcontext():
                return functional_call(self.measured, state, (measure, Batch(x, y)))

        return vmap(one)(self.state, [*self.numbers.values()], noise, batch.x, batch.y)

    @contextmanager
    def _with_numbers(self, own: list[Tensor]) -> Iterator[None]:
        """The first model with the numbers of another."""
        places = [(self.template.get_submodule(path), name) for path, name in self.numbers]
        kept = [getattr(module, name) for module, name in places]
        try:
            for (module, name), value in zip(places, own, strict=True):
                setattr(module, name, value)
            yield
        finally:
            for (module, name), value in zip(places, kept, strict=True):
                setattr(module, name, value)

    def _draws(self, measure: Measure, batch: Batch) -> list[Draw]:
        """What a model draws of such a batch: of the same sizes, in the same mode and stage, always the same."""
        kind = (measure, batch.x.shape, batch.x.device, self.template.training, self.template.stage)
        if kind not in self.draws:
            kept = {name: value.clone() for name, value in self.template.state_dict().items()}
            self.draws[kind] = recorded(lambda: measure(Batch(batch.x[0], batch.y[0])))
            self.template.load_state_dict(kept)  # which measuring may have changed
        return self.draws[kind]


class _Measured(nn.Module):
    """What functional_call calls: the measure reads the weights that it has put into the model."""

    def __init__(self, model: Autoencoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, measure: Measure, batch: Batch) -> dict[str, Tensor]:
        return measure(batch)


def _differing(models: Sequence[Autoencoder]) -> Iterator[tuple[tuple[str, str], Tensor]]:
    """The attributes that are floats in all models, by module and name, and are not the same in all: (n,)"""
    for path, module in models[0].named_modules():
        for name, value in vars(module).items():
            values = [vars(model.get_submodule(path)).get(name) for model in models]
            if isinstance(value, float) and all(isinstance(each, float) for each in values) and len({*values}) > 1:
                yield (path, name), torch.tensor(values)


def _at(model: nn.Module, name: str) -> Tensor:
    path, _, last = name.rpartition(".")
    return getattr(model.get_submodule(path), last)
