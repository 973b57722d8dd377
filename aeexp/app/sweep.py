"""From the words of a command line to the points of a sweep, each checked before the first one runs."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from aeexp.app.build import build
from aeexp.app.composing import WIDTH, Template, composed, plain, settled
from aeexp.app.packages import CONFIGS, groups
from aeexp.app.words import check_options, parsed, quoted, sweeps
from aeexp.data.content import digest
from aeexp.errors import UserError
from aeexp.runs.identity import directory
from aeexp.runs.run import Run

__all__ = ["CONFIGS", "Point", "check_options", "composed", "plain", "points", "quoted", "settled", "sweeps"]


def with_table(name: str, overrides: list[str]) -> list[str]:
    """The overrides, and what the chosen table sweeps where the command line says nothing of it."""
    table = composed(name, [text for text in overrides if text.startswith("table=")]).table
    if table is None:
        return overrides
    given = {override.key_or_group for override in parsed(overrides)}
    swept = {key: ",".join(map(str, values)) for key, values in table.sweep.items() if key not in given}
    return [*overrides, *(quoted(f"{key}={values}") for key, values in swept.items())]


LARGEST_SEED = 2**32 - 1  # that numpy takes too


@dataclass(frozen=True)
class Point:
    """One combination of the swept values."""

    overrides: list[str]
    config: dict[str, Any]

    @cached_property
    def run(self) -> Run:
        return Run(directory(self.config))


def points(name: str, overrides: list[str]) -> Iterator[Point]:
    """Every combination of the swept values. Those that differ in plain values alone are composed once."""
    read = parsed(overrides)
    choices = [
        [quoted(f"{o.get_key_element()}={value}") for value in o.sweep_string_iterator()]
        if o.is_sweep_override()
        else [text]
        for o, text in zip(read, overrides, strict=True)
    ]
    plain_values = [o.is_sweep_override() and _is_value(o) for o in read]
    known: dict[tuple[str, ...], Template] = {}
    found: list[tuple[list[str], dict[str, Any]]] = []
    for point in itertools.product(*choices):
        words = list(point)
        values = {
            words[i].partition("=")[0]: parsed([words[i]])[0].value() for i, is_ in enumerate(plain_values) if is_
        }
        rest = tuple(text for text, is_ in zip(words, plain_values, strict=True) if not is_)
        if rest not in known:
            known[rest] = Template(name, words, values)
        found.append((words, known[rest].filled(words, values)))
        _check_numbers(found[-1][1])
    for words, config in found:  # only now, because it may import torch
        yield Point(words, with_content(config))


def _check_numbers(config: dict[str, Any]) -> None:
    if config["checkpoint"] not in ("best", "last"):
        raise UserError(f"checkpoint={config['checkpoint']} is neither best nor last")
    for key, value, least, most in (
        ("seed", config["seed"], 0, LARGEST_SEED),
        ("threads", config["threads"], 1, None),
        ("jobs", 1 if config["jobs"] is None else config["jobs"], 1, None),
        ("trainer.max_epochs", config["trainer"].get("max_epochs", 1), 1, None),
    ):
        if not isinstance(value, int) or isinstance(value, bool):
            raise UserError(f"{key} is {value!r}, but it should be int")
        if value < least or (most is not None and value > most):
            raise UserError(f"{key} is {value}: choose {f'{least} to {most}' if most else f'at least {least}'}")


def with_content(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with what only the user's own files say, where it reads such: their digest, as a part of its
    identity, and the columns of a table."""
    if "data" not in config:
        return config
    data = {key: value for key, value in config["data"].items() if key in ("source", "root")}
    found, columns = _content(json.dumps(data))
    if columns is not None:
        of_data = {**config["data"], "source": {**config["data"]["source"], "columns": columns}}
        asking = "columns" in config["likelihood"]
        likelihood = {**config["likelihood"], **({"columns": columns} if asking else {})}
        config = {**config, "data": of_data, "likelihood": likelihood}
    return config if found is None else {**config, "data": {**config["data"], "content": found}}


@cache
def _content(data: str) -> tuple[str | None, list[dict[str, Any]] | None]:
    node = json.loads(data)
    root = Path(node["root"])
    try:
        source = build(node["source"], "data.source")
        schema = getattr(source, "schema", None)  # of a table of records
        return digest(source, root), schema(root) if schema else None
    except UserError:  # which the check of the run says
        return None, None


def _is_value(override: Any) -> bool:
    """Whether it changes a value where there is one, and no group, which brings others; widths are one value each."""
    key = override.key_or_group
    if key == WIDTH:
        return all(value.isdecimal() and int(value) for value in override.sweep_string_iterator())
    return not (override.is_add() or override.is_delete() or key in groups() or key.startswith("hydra"))


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
