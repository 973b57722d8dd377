"""A resolved configuration as the objects of a run."""

import json
from functools import cache
from typing import Any

import torch
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from aeexp.app.build import build, call
from aeexp.data.module import DataModule
from aeexp.errors import UserError
from aeexp.models.base import Autoencoder, Components
from aeexp.training.progress import quiet
from aeexp.training.task import Task

KNOWN = {
    *("data", "corruption", "network", "bottleneck", "code", "likelihood", "initialization", "model"),
    *("optimizer", "trainer", "schedule", "evaluation", "table"),
    *("seed", "labels", "checkpoint", "runs", "sweep", "threads", "force", "fail_fast", "choices", "overrides"),
}


def make_data(config: dict[str, Any]) -> DataModule:
    return build(config["data"], "data")


def make_model(config: dict[str, Any], shape: tuple[int, ...]) -> Autoencoder:
    """The sizes are wired here and nowhere else: the data's shape, the bottleneck's width."""
    components = call(
        Components,
        "bottleneck",
        shape=shape,
        **config["bottleneck"],
        **{name: build(config[name], name) for name in ("network", "likelihood", "corruption", "initialization")},
        code=build({**config["code"], "_partial_": True}, "code"),
    )
    return build(config["model"], "model", components=components)


def make_task(config: dict[str, Any], model: Autoencoder) -> Task:
    return call(Task, "task", model=model, optimizer=build(config["optimizer"], "optimizer"), seed=config["seed"])


def check(config: dict[str, Any]) -> None:
    """Builds all of a run without reading data or touching memory; UserError with what a constructor refused."""
    unknown = sorted(set(config) - KNOWN)
    if unknown:
        raise UserError(f"nothing reads {', '.join(unknown)}: the configuration has {', '.join(sorted(KNOWN))}")
    if config["checkpoint"] not in ("best", "last"):
        raise UserError(f"checkpoint={config['checkpoint']} is neither best nor last")
    for word in config["overrides"]:
        group, _, name = word.lstrip("+").partition(".")
        if group == "evaluation" and name.split(".")[0] not in {"", *config["evaluation"]}:
            raise UserError(f"{word} is of no chosen protocol: add it to evaluation=[{','.join(config['evaluation'])}]")
    data = make_data(config)
    with torch.device("meta"):
        model = make_model(config, data.shape)
        task = make_task(config, model)
        if trainable(model):
            try:
                task.configure_optimizers()
            except (TypeError, ValueError) as error:
                raise UserError(f"optimizer: {error}") from None
    _check_trainer(json.dumps(config["trainer"]))
    for group in ("schedule", "evaluation"):
        for name, node in config[group].items():
            build(node, f"{group}.{name}")
    data.prepare_data()


@cache
def _check_trainer(node: str) -> None:
    """UserError where this machine lacks what the trainer asks for."""
    quiet()
    try:
        build(json.loads(node), "trainer", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    except MisconfigurationException as error:
        raise UserError(f"trainer: {error}") from None


def trainable(model: Autoencoder) -> bool:
    return any(parameter.requires_grad for parameter in model.parameters())
