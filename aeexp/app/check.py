"""All of a run is built before the first run of a sweep, without reading data or touching memory.

A sweep repeats itself: what two of its points share is built once.
"""

import json
from functools import cache, lru_cache
from typing import Any

import torch
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import nn

from aeexp.app.build import build
from aeexp.app.components import MODEL, make_data, make_task, outline
from aeexp.data.module import DataModule
from aeexp.errors import UserError
from aeexp.models.base import Autoencoder
from aeexp.models.scaled import refuse_bounded
from aeexp.runs.identity import NOT_IDENTITY
from aeexp.scalings import Scaling
from aeexp.training.progress import quiet

KNOWN = {
    *("data", "corruption", "network", "bottleneck", "code", "likelihood", "initialization", "model"),
    *("optimizer", "trainer", "schedule", "evaluation", "table"),
    *("seed", "labels", "checkpoint", "runs", "sweep", "threads", "jobs", "force", "fail_fast", "choices", "overrides"),
}


def check(config: dict[str, Any]) -> None:
    """UserError with what a constructor refused, or what nothing reads."""
    unknown = sorted(set(config) - KNOWN)
    if unknown:
        raise UserError(f"nothing reads {', '.join(unknown)}: the configuration has {', '.join(sorted(KNOWN))}")
    for word in config["overrides"]:
        group, _, name = word.lstrip("+").partition(".")
        if group == "evaluation" and name.split(".")[0] not in {"", *config["evaluation"]}:
            raise UserError(f"{word} is of no chosen protocol: add it to evaluation=[{','.join(config['evaluation'])}]")
    kept = {key: value for key, value in config.items() if key not in NOT_IDENTITY}
    _check(json.dumps(with_seed_zero({**kept, "evaluation": config["evaluation"]}, config["seed"])))


def with_seed_zero(node: Any, seed: int, name: str = "") -> Any:
    """Runs that differ in the seed alone are one."""
    if isinstance(node, dict):
        return {key: with_seed_zero(value, seed, key) for key, value in node.items()}
    return 0 if name.rpartition("_")[2] == "seed" and node == seed else node


@cache
def _check(text: str) -> None:
    config = json.loads(text)
    data = _checked_data(json.dumps(config["data"]))
    model = _model(json.dumps({name: config[name] for name in MODEL}), data.shape, data.scaling)
    parts = {name: build(config[name], name) for name in ("likelihood", "corruption")}
    if parts["likelihood"].of_symbols and not getattr(data.source, "of_symbols", False):
        raise UserError(
            f"likelihood=categorical scores sequences of symbols, and data={data.name} has none: choose "
            "likelihood=bernoulli, or data=sequences"
        )
    if not data.bounded and data.scaling is None:
        refuse_bounded({**parts, "model": model}, f"data={data.name} has", "another data set")
    task = make_task(config, model)
    try:
        task.optimizer(iter([nn.Parameter(torch.zeros(1))]))  # the outline's weights are on no device that can train
    except (TypeError, ValueError) as error:
        raise UserError(f"optimizer: {error}") from None
    _check_trainer(json.dumps(config["trainer"]))
    for group in ("schedule", "evaluation"):
        for name, node in config[group].items():
            _build(json.dumps(node), f"{group}.{name}")


@cache
def _checked_data(node: str) -> DataModule:
    data = make_data({"data": json.loads(node)})
    data.prepare_data()
    for remark in data.remarks:
        print(remark, flush=True)
    return data


@lru_cache(maxsize=64)
def _model(parts: str, shape: tuple[int, ...], scaling: Scaling | None) -> Autoencoder:
    return outline(json.loads(parts), shape, scaling)


@cache
def _build(node: str, where: str) -> None:
    build(json.loads(node), where)


@cache
def _check_trainer(node: str) -> None:
    """UserError where this machine lacks what the trainer asks for."""
    quiet()
    try:
        build(json.loads(node), "trainer", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    except MisconfigurationException as error:
        raise UserError(f"trainer: {error}") from None
