"""A resolved configuration as the objects of a run."""

from typing import Any

import torch

from aeexp.app.build import build, call
from aeexp.data.module import DataModule
from aeexp.errors import NotApplicable, UserError
from aeexp.models.base import Autoencoder, Components
from aeexp.models.scaled import Scaled
from aeexp.runs.facts import memory
from aeexp.scalings import Scaling
from aeexp.training.task import Task

# what a model is made of
MODEL = ("network", "likelihood", "corruption", "initialization", "bottleneck", "code", "model")


def make_data(config: dict[str, Any]) -> DataModule:
    return build(config["data"], "data")


def make_model(config: dict[str, Any], shape: tuple[int, ...], scaling: Scaling | None = None) -> Autoencoder:
    """UserError where this machine has no place for it."""
    outline(config, shape, scaling)
    return _made(config, shape, scaling)


def outline(config: dict[str, Any], shape: tuple[int, ...], scaling: Scaling | None = None) -> Autoencoder:
    """The model on the device `meta`, where it takes no memory.

    UserError where its weights, their gradients and the two moments of Adam need more memory than the machine has.
    """
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            model = _made(config, shape, scaling)
    except RuntimeError as error:
        if "overflow" not in str(error):
            raise
        raise UserError("the model would be larger than any memory: choose a smaller bottleneck or network") from None
    needed = 4 * sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    if needed > memory():
        raise UserError(
            f"training the model takes at least {needed / 1e9:,.0f} GB, and this machine has {memory() / 1e9:,.0f}: "
            "choose a smaller bottleneck or network"
        )
    return model


def _made(config: dict[str, Any], shape: tuple[int, ...], scaling: Scaling | None) -> Autoencoder:
    """The sizes are wired here and nowhere else: the data's shape, the bottleneck's width."""
    components = call(
        Components,
        "bottleneck",
        shape=shape,
        **config["bottleneck"],
        **{name: build(config[name], name) for name in ("network", "likelihood", "corruption", "initialization")},
        code=build({**config["code"], "_partial_": True}, "code"),
    )
    model = build(config["model"], "model", components=components)
    model = model if scaling is None else Scaled(model, scaling, components)
    return model.to(memory_format=torch.channels_last)  # in which a convolution is up to three times as fast


def make_task(config: dict[str, Any], model: Autoencoder) -> Task:
    return call(Task, "task", model=model, optimizer=build(config["optimizer"], "optimizer"), seed=config["seed"])


@torch.no_grad()
def code_size(model: Autoencoder, shape: tuple[int, ...]) -> int | None:
    """Numbers of a code, all its positions together; None of a model without codes."""
    was = model.training
    try:
        return model.eval().encode(torch.zeros(1, *shape)).mean[0].numel()
    except NotApplicable:
        return None
    finally:
        model.train(was)


def trainable(model: Autoencoder) -> bool:
    return any(parameter.requires_grad for parameter in model.parameters())
