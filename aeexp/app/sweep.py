"""From the words of a command line to the points of a sweep, each checked before the first one runs."""

import difflib
import itertools
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from aeexp.app.packages import CONFIGS, options
from aeexp.errors import UserError
from aeexp.runs.run import Run, directory

WHOLE_NUMBER, QUOTED = re.compile(r"(?<![\w.'])(\d+)(?![\w.'])"), r"'\1'"
# What Hydra's plugins need: the module, and the extra that installs it.
PLUGINS = {
    "hydra/launcher": {
        "basic": ("hydra", ""),
        "joblib": ("hydra_plugins.hydra_joblib_launcher", "joblib"),
        "submitit_local": ("hydra_plugins.hydra_submitit_launcher", "submitit"),
        "submitit_slurm": ("hydra_plugins.hydra_submitit_launcher", "submitit"),
        "ray": ("ray", "ray"),
    },
    "hydra/sweeper": {"basic": ("hydra", ""), "grid": ("hydra", ""), "optuna": ("optuna", "optuna")},
}
HOW_TO_GIVE_ANOTHER = {"bottleneck": "; any other size: bottleneck.dim={option}"}


def quoted(argument: str) -> str:
    """bottleneck=1,10 -> bottleneck='1','10': Hydra takes the name of a group's option for text only when quoted."""
    key, equals, value = argument.partition("=")
    if not (equals and options(key)):
        return argument
    return f"{key}={WHOLE_NUMBER.sub(QUOTED, value)}"


def check_options(argument: str) -> None:
    """UserError where the option of a group does not exist, with those that do, or what it needs is not installed."""
    key, equals, value = argument.partition("=")
    plugins = PLUGINS.get(key, {})
    known = options(key) | set(plugins) if equals else set()
    if value in plugins and find_spec(plugins[value][0]) is None:
        raise UserError(f"{argument} needs what is not installed: pip install -e '.[{plugins[value][1]}]'")
    if not known or "(" in value:
        return
    for option in re.split(r"[\s,\[\]']+", value):
        if option and option != "null" and option not in known:
            close = difflib.get_close_matches(option, known, n=1)
            meant = f"did you mean {close[0]}? " if close else ""
            listed = ", ".join(sorted(known, key=lambda name: (len(name), name) if name.isdigit() else (0, name)))
            another = HOW_TO_GIVE_ANOTHER.get(key, "").format(option=option)
            raise UserError(f"{key}={option} does not exist: {meant}there are {listed}{another}")


def composed(name: str, overrides: list[str]) -> DictConfig:
    """The configuration of one point, with Hydra's own node. UserError where Hydra refuses it."""
    started = (
        nullcontext() if GlobalHydra().is_initialized() else initialize_config_dir(str(CONFIGS), version_base="1.3")
    )
    try:
        with started:
            return compose(name, overrides, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise UserError(_sentence(error)) from None


def plain(config: Any) -> dict[str, Any]:
    """A node as plain values, interpolations resolved. UserError where one leads nowhere or a value is missing."""
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(_sentence(error)) from None
    return cast(dict[str, Any], values)


def settled(config: DictConfig, hydra: Any) -> dict[str, Any]:
    """A composed configuration as plain values, with the option chosen in each group and the words that chose it."""
    values = plain(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]))
    choices = {key: choice for key, choice in plain(hydra.runtime.choices).items() if not key.startswith("hydra/")}
    words = {override.get_key_element(): override.get_value_string() for override in parsed(list(hydra.overrides.task))}
    # what a table or a recipe says of a protocol that was not chosen is left unsaid
    protocols = {name: node for name, node in values["evaluation"].items() if "_target_" in node}
    return {**values, "evaluation": protocols, "choices": choices, "overrides": words}


def with_table(name: str, overrides: list[str]) -> list[str]:
    """The overrides, and what the chosen table sweeps where the command line says nothing of it."""
    table = composed(name, [text for text in overrides if text.startswith("table=")]).table
    if table is None:
        return overrides
    given = {override.key_or_group for override in parsed(overrides)}
    swept = {key: ",".join(map(str, values)) for key, values in table.sweep.items() if key not in given}
    return [*overrides, *(quoted(f"{key}={values}") for key, values in swept.items())]


@dataclass(frozen=True)
class Point:
    """One combination of the swept values."""

    overrides: list[str]
    config: dict[str, Any]

    @property
    def run(self) -> Run:
        return Run(directory(self.config))


def sweeps(overrides: list[str]) -> bool:
    return any(override.is_sweep_override() for override in parsed(overrides))


def points(name: str, overrides: list[str]) -> Iterator[Point]:
    """Every combination of the swept values. Those that differ in the seed are composed once."""
    choices = [
        [f"{o.get_key_element()}={value}" for value in o.sweep_string_iterator()] if o.is_sweep_override() else [text]
        for o, text in zip(parsed(overrides), overrides, strict=True)
    ]
    known: dict[tuple[str, ...], DictConfig] = {}
    for point in itertools.product(*choices):
        rest = tuple(text for text in point if not text.startswith("seed="))
        if rest not in known:
            known[rest] = composed(name, list(point))
        for seed in set(point) - set(rest):
            OmegaConf.update(known[rest], "seed", parsed([seed])[0].value())
        yield Point(list(point), settled(known[rest], known[rest].hydra))


def for_each_point(overrides: list[str]) -> list[str]:
    """x.y=1 -> x.y=choice(1): Hydra composes a sweep once without what is swept, where x.y may not exist yet."""
    return [
        f"{o.key_or_group}=choice({o.get_value_string()})"
        if "." in o.key_or_group
        and not o.key_or_group.startswith("hydra.")
        and not o.is_sweep_override()
        and text.startswith(o.key_or_group)
        else text
        for o, text in zip(parsed(overrides), overrides, strict=True)
    ]


def parsed(overrides: list[str]) -> list[Any]:
    try:
        return OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise UserError(_sentence(error)) from None


def _sentence(error: Exception) -> str:
    """The first line of what Hydra says, which names the key; with its own hints, which do not help here, cut."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    hint = next((line for line in lines[1:] if line.startswith("Key '")), "")
    return f"{lines[0].rstrip('.')}. {hint}".strip() if lines else type(error).__name__
