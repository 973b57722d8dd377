"""A resolved configuration as the objects of a run."""

from typing import Any

from aeexp.app.build import build, call
from aeexp.data.module import DataModule
from aeexp.models.base import Autoencoder, Components
from aeexp.models.scaled import Scaled
from aeexp.scalings import Scaling
from aeexp.training.task import Task

# what a model is made of
MODEL = ("network", "likelihood", "corruption", "initialization", "bottleneck", "code", "model")


def make_data(config: dict[str, Any]) -> DataModule:
    return build(config["data"], "data")


def make_model(config: dict[str, Any], shape: tuple[int, ...], scaling: Scaling | None = None) -> Autoencoder:
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
    return model if scaling is None else Scaled(model, scaling, components)


def make_task(config: dict[str, Any], model: Autoencoder) -> Task:
    return call(Task, "task", model=model, optimizer=build(config["optimizer"], "optimizer"), seed=config["seed"])


def trainable(model: Autoencoder) -> bool:
    return any(parameter.requires_grad for parameter in model.parameters())
