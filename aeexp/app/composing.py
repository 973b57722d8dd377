"""Configurations composed by Hydra, as plain values."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from aeexp.app.packages import CONFIGS, groups
from aeexp.app.words import did_you_mean, parsed, sentence
from aeexp.errors import UserError

UNKNOWN = re.compile(r"(?:Could not override|Error merging override|In '[^']*': Could not find) '([^'=]+)")
MARK = "<the value of a swept key>"
WIDTH = "bottleneck"  # the group whose options, whole numbers, differ in one value


def composed(name: str, overrides: list[str]) -> DictConfig:
    """The configuration of one point, with Hydra's own node. UserError where Hydra refuses it."""
    try:
        return _compose(name, overrides)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise UserError(sentence(error).rstrip(".") + _nearest(name, overrides, str(error))) from None


def _compose(name: str, overrides: list[str]) -> DictConfig:
    started = (
        nullcontext() if GlobalHydra().is_initialized() else initialize_config_dir(str(CONFIGS), version_base="1.3")
    )
    with started:
        return compose(name, overrides, return_hydra_config=True)


def _nearest(name: str, overrides: list[str], error: str) -> str:
    """What a misspelt key may have meant."""
    found = UNKNOWN.search(error)
    if found is None:
        return ""
    key = found[1].lstrip("+~").replace("/", ".")
    chosen = [text for text in overrides if text.partition("=")[0] in groups()]
    return f": {guess}".rstrip() if (guess := did_you_mean(key, {*groups(), *_keys(name, chosen)})) else ""


def _keys(name: str, chosen: list[str]) -> Iterator[str]:
    try:
        config = _compose(name, chosen)
    except (HydraException, OmegaConfBaseException, ValueError):
        return
    waiting = [("", OmegaConf.to_container(config))]
    while waiting:
        prefix, node = waiting.pop()
        for key, value in ((str(k), v) for k, v in node.items()) if isinstance(node, dict) else ():
            yield f"{prefix}{key}"
            waiting.append((f"{prefix}{key}.", value))


def plain(config: Any) -> dict[str, Any]:
    """A node as plain values, interpolations resolved. UserError where one leads nowhere or a value is missing."""
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(sentence(error)) from None
    return cast(dict[str, Any], values)


def settled(config: DictConfig, hydra: Any) -> dict[str, Any]:
    """A composed configuration as plain values, with the option chosen in each group and the words that chose it."""
    values = plain(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]))
    choices = {key: choice for key, choice in plain(hydra.runtime.choices).items() if not key.startswith("hydra/")}
    # what a table or a recipe says of a protocol that was not chosen is left unsaid
    protocols = {name: node for name, node in values["evaluation"].items() if "_target_" in node}
    return {**values, "evaluation": protocols, "choices": choices, "overrides": said(list(hydra.overrides.task))}


def said(words: list[str]) -> dict[str, str]:
    return {o.get_key_element(): o.input_line.partition("=")[2] for o in parsed(words)}


class Template:
    """A configuration in which plain values of some keys are exchanged, at every place that links to them.

    Where a place does more than to link a whole node (as text around it), every point is composed by itself.
    """

    def __init__(self, name: str, words: list[str], values: dict[str, Any]) -> None:
        self.name, config = name, composed(name, words)
        self.first = settled(config, config.hydra)
        self.places: dict[str, list[tuple[Any, ...]]] = {}
        self.simple = True
        for key in values:
            marked = config.copy()
            OmegaConf.update(marked, f"{WIDTH}.dim" if key == WIDTH else key, MARK, force_add=False)
            try:
                self.places[key] = list(_places(settled(marked, config.hydra)))
            except (UserError, _Embedded):
                self.simple = False

    def filled(self, words: list[str], values: dict[str, Any]) -> dict[str, Any]:
        if not self.simple or any(isinstance(value, dict) for value in values.values()):  # which Hydra merges
            config = composed(self.name, words)
            return settled(config, config.hydra)
        filled = {**_copied(self.first), "overrides": said(words)}
        if WIDTH in values:
            filled["choices"][WIDTH] = str(values[WIDTH])
        for key, places in self.places.items():
            for *parents, last in places:
                node = filled
                for parent in parents:
                    node = node[parent]
                node[last] = int(values[key]) if key == WIDTH else _copied(values[key])
        return filled


class _Embedded(Exception):
    pass


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _places(value, (*path, key))
    elif node == MARK:
        yield path
    elif isinstance(node, str) and MARK in node:
        raise _Embedded


def _copied(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _copied(value) for key, value in node.items()}
    return [_copied(value) for value in node] if isinstance(node, list | tuple) else node
