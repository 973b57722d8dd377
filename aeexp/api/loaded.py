"""A finished run as a notebook holds it:  model = aeexp.load("runs/..."); z = model.encode(x)"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aeexp.api.inputs import Array, given
from aeexp.app.components import make_data, make_model, make_task
from aeexp.app.weights import restore
from aeexp.data.examples import BATCH
from aeexp.data.module import DataModule
from aeexp.errors import UserError
from aeexp.models.base import Autoencoder
from aeexp.runs.run import Run, find


class Loaded:
    """The model of a run in eval mode, without gradients, on one `device`; the same answer at every call.

    x is one example (*shape) or many (N, *shape): a numpy array or a torch tensor, uint8 as in the files of the run's
    data, or floats in [0, scale]; or a PIL image or a list of them, of the data's size. What comes back is float32 in
    the same form, on the device where x was, and without N where x was one example; examples of pictures are pictures.
    y (N,) are the labels of the examples, which a conditional model reads; None, or -1, says nothing.
    """

    def __init__(self, model: Autoencoder, data: DataModule, device: torch.device, name: str) -> None:
        self.name = name  # of the run
        self.model, self.device = model.eval().requires_grad_(False).to(device), device
        self.shape, self.scale, self.factor, self.bounded = data.shape, data.scale, data.factor, data.bounded

    def __repr__(self) -> str:
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        return f"<{self.name}: examples {self.shape}, {parameters:,} parameters, on {self.device}>"

    def encode(self, x: Any, y: Any = None) -> Any:
        """x -> its mean codes (N, *positions, D). NotApplicable where the model has none."""
        user_input = given(x, self.shape)
        values = _sized("x", user_input.read(self.factor, self.scale, self.bounded), self.shape)
        return user_input.codes(self._batched(lambda x, y: self.model.encode(x, y).mean, values, self.shape, y))

    def decode(self, z: Any, y: Any = None) -> Any:
        """Codes (N, *positions, D), numpy or torch -> their mean images. NotApplicable where a code alone has none."""
        user_input, shape = given(z, ()), self.code_shape
        values = _sized("z", user_input.values.float(), shape)
        return user_input.examples(self._batched(self.model.decode, values, shape, y), self.scale)

    def reconstruct(self, x: Any, y: Any = None) -> Any:
        """x -> what comes back of it, without corruption and without sampling."""
        user_input = given(x, self.shape)
        values = _sized("x", user_input.read(self.factor, self.scale, self.bounded), self.shape)
        return user_input.examples(self._batched(self.model.reconstruct, values, self.shape, y), self.scale)

    def sample(self, n: int, seed: int | None = None, y: Any = None) -> Any:
        """The mean images (n, *shape) of n codes of the model's prior, numpy. NotApplicable where it has none.

        seed None: other ones at every call, drawn from torch's own generator.
        """
        if n < 1:
            raise UserError(f"sample({n}) asks for {n} examples: choose at least 1")
        with self._quietly(int(torch.randint(2**31, ())) if seed is None else seed):
            z = self.model.prior.sample(n)
        return Array(z).codes(self._batched(self.model.decode, z, tuple(z.shape[1:]), y))

    @property
    def code_shape(self) -> tuple[int, ...]:
        """(*positions, D)"""
        return tuple(self.encode(np.zeros(self.shape, np.float32)).shape)

    def _batched(
        self, function: Callable[[Tensor, Tensor | None], Tensor], values: Tensor, shape: tuple[int, ...], y: Any
    ) -> Tensor:
        """function of values (N, *shape) or (*shape), BATCH at a time."""
        one = values.dim() == len(shape)
        batches = (values[None] if one else values).split(BATCH)
        n = sum(map(len, batches))
        labels = [None] * len(batches) if y is None else _labels(y, n).split(BATCH)
        with self._quietly(0):
            made = [
                function(part.to(self.device), None if known is None else known.to(self.device)).cpu()
                for part, known in zip(batches, labels, strict=True)
            ]
        return made[0][0] if one else torch.cat(made)

    @contextmanager
    def _quietly(self, seed: int) -> Iterator[None]:
        """Without gradients; leaves the caller's generators as they were."""
        own = [self.device] if self.device.type == "cuda" else []
        with torch.no_grad(), torch.random.fork_rng(devices=own):
            torch.manual_seed(seed)
            yield


def loaded(run: str | PathLike[str], device: str) -> Loaded:
    """The model of the run at this path. UserError where there is none, or no such device."""
    found = find(Path(run)) if Path(run).is_dir() else []
    if [each.path for each in found] != [Path(run)]:
        inside = f"holds {len(found)} runs" if found else "is no run's directory"
        raise UserError(f"{run} {inside}: choose the directory of one run, as runs/single/vae-digits-32-s0-...")
    with torch.random.fork_rng(devices=[]):  # the weights that it begins with
        model, data = _restored(found[0])
    try:
        return Loaded(model, data, torch.device(device), found[0].path.name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0]
        raise UserError(f"device={device} is not here ({reason}): choose cpu") from None


def _restored(run: Run) -> tuple[Autoencoder, DataModule]:
    """Needs the files of the data only where the run did not keep what it read off them."""
    config = run.config
    kept = run.results.get("training", {}).get("data", {})
    data = make_data({"data": {**config["data"], **kept}})
    task = make_task(config, make_model(config, data.shape, data.scaling))
    try:
        restore(run.checkpoints / f"{config['checkpoint']}.ckpt", task)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{run.path}: the weights are of another model ({reason}): choose to train it again") from None
    return task.model, data


def _sized(name: str, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    if tuple(values.shape) != shape and tuple(values.shape[1:]) != shape:
        many = ", ".join(map(str, ("N", *shape)))
        raise UserError(
            f"{name} is of shape {tuple(values.shape)}, but this run reads {shape} or ({many}): choose a reshape of it"
        )
    return values


def _labels(y: Any, n: int) -> Tensor:
    labels = torch.as_tensor(y).long().reshape(-1)
    if len(labels) != n:
        raise UserError(f"y holds {len(labels)} labels of {n} examples: choose one for each, -1 where it is unknown")
    return labels
