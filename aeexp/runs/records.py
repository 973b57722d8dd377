"""The stored records of a run, config.yaml, status.json and results.json, and a sweep's table.yaml, through a schema.

A file that does not fit its schema raises Damaged, which names the file and what is wrong with it. The limits on size,
nesting and aliases keep a file from somebody else from taking the memory or the stack of the process that reads it.
"""

import json
import math
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from aeexp.errors import UserError

RECORDS = ("config.yaml", "status.json", "results.json")
LARGEST = {"config.yaml": 2**20, "status.json": 2**20, "results.json": 2**25, "table.yaml": 2**25}  # bytes
DEEPEST = 50  # brackets within brackets, or indented blocks within blocks
ALIASES = 20  # of YAML: n within one another expand to 2^n values and more
EVERY = "*"  # in a schema: every value of a mapping
NESTED = re.compile(rf"^(?:  |- ){{{DEEPEST}}}", re.M)
ALIAS = re.compile(r"(?:^|[\s\[{,:-])\*\w")


class Damaged(UserError):
    """A stored file that is not what a run wrote there."""


def _number(node: Any) -> bool:
    return isinstance(node, int | float) and not isinstance(node, bool) and (node != node or abs(node) < 1e300)


def _measured(node: Any) -> bool:
    """A number, or null for nan and infinity, which JSON has no word for."""
    return node is None or _number(node) or node in (math.inf, -math.inf)


def _settings(node: Any) -> bool:
    """A mapping, or nothing."""
    return node is None or isinstance(node, dict)


SCHEMAS: dict[str, Any] = {
    "config.yaml": {"choices": dict, "overrides": dict, "seed": int, "data": dict, "bottleneck": dict},
    "status.json": {"state": str},
    "results.json": {
        "training": {"last": {EVERY: _measured}},
        "protocols": [{"protocol": str, "settings": dict, "metrics": {EVERY: _measured}, "figures": [str]}],
    },
    "table.yaml": {
        "title": str,
        "rows": [str],
        "columns": [str],
        "metrics": {EVERY: _settings},
        "baselines": list,
        "notes": [str],
        "sources": dict,
        "published": [{"where": dict, "metric": str, "value": _number}],
        "sweep": {EVERY: list},
        "choose": {"metric": str, "grid": {EVERY: {EVERY: list}}},
        "expected": [dict],
    },
}
REQUIRED: dict[str, set[str]] = {
    "config.yaml": {*SCHEMAS["config.yaml"]},
    "status.json": {"state"},
    "results.json": set(),
    "table.yaml": {"title", "rows", "columns", "metrics"},
}
WORDS: dict[Any, str] = {dict: "a mapping", list: "a list", str: "a text", int: "a whole number"}
WORDS |= {_measured: "a number", _number: "a number", _settings: "a mapping"}


def directories(folder: Path) -> Iterator[Path]:
    """The directories below a folder, itself included, that hold a record of a run, in the order of their names."""
    for path, folders, files in os.walk(folder):
        if not {*RECORDS}.isdisjoint([*folders, *files]):
            folders.clear()  # runs do not lie within runs
            yield Path(path)
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def config(run: Path) -> dict[str, Any]:
    """The configuration of a run; FileNotFoundError where there is none."""
    file = run / "config.yaml"
    return _checked(file, _yaml(file, _text(file)))


def status(run: Path) -> dict[str, Any]:
    """The state of a run, its times and its failure; {} where nothing is stored yet."""
    return _json(run / "status.json")


def results(run: Path) -> dict[str, Any]:
    """What a run measured; {} where nothing is stored yet."""
    return _json(run / "results.json")


def table(folder: Path) -> dict[str, Any]:
    """The table that a sweep announced for its folder; {} where none did."""
    file = folder / "table.yaml"
    try:
        return _checked(file, _yaml(file, _text(file)))
    except FileNotFoundError:
        return {}


def metrics(results: dict[str, Any]) -> dict[str, float]:
    """`<protocol>/<metric>`, of a protocol that ran with several settings the newest; nan for what is not finite."""
    found = {name: value for entry in results.get("protocols", []) for name, value in entry.get("metrics", {}).items()}
    return {name: math.nan if value is None else float(value) for name, value in found.items()}


def training(results: dict[str, Any]) -> dict[str, float]:
    """The numbers among the facts of the training, such as epochs and seconds, as `training/<fact>`, and the means of
    its last epoch, as `training/<term>`."""
    facts = results.get("training", {})
    facts = {**facts.get("last", {}), **facts}
    return {f"training/{name}": float(value) for name, value in facts.items() if _number(value)}


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST[file.name]:
            raise Damaged(f"{file} is larger than the {LARGEST[file.name]} bytes that are read")
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Damaged(f"{file} is no text") from None


def _json(file: Path) -> dict[str, Any]:
    try:
        return _checked(file, json.loads(_text(file)))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        raise Damaged(f"{file} is no JSON") from None


def _yaml(file: Path, text: str) -> Any:
    """As yaml.safe_load, ten times as fast over many runs: a top-level entry that several share is parsed once."""
    if (text.count("[") + text.count("{") > DEEPEST and _depth(text) > DEEPEST) or NESTED.search(text):
        raise Damaged(f"{file} is nested deeper than {DEEPEST} levels")
    if "*" in text and len(ALIAS.findall(text)) > ALIASES:
        raise Damaged(f"{file} has more than {ALIASES} aliases")
    try:
        try:
            entries = [_parsed(entry) for entry in re.split(r"^(?=[^\s#-])", text, flags=re.M)]
            return {key: value for entry in entries for key, value in entry.items()}
        except yaml.YAMLError:  # one entry refers to another
            return _parsed(text)
    except (yaml.YAMLError, AttributeError, ValueError):
        raise Damaged(f"{file} is no YAML of a run") from None


@cache
def _parsed(entry: str) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(entry, Loader=loader) or {}


def _depth(text: str) -> int:
    deepest = depth = 0
    for character in re.findall(r"[][{}]", text):
        depth += 1 if character in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _checked(file: Path, node: Any) -> dict[str, Any]:
    missing = sorted(REQUIRED[file.name] - node.keys()) if isinstance(node, dict) else []
    wrong = f"{missing[0]} is missing" if missing else _misfit(node, SCHEMAS[file.name], "")
    if wrong:
        raise Damaged(f"{file} is not what a run left there: {wrong}")
    return dict(node)


def _misfit(node: Any, schema: Any, where: str) -> str | None:
    """What does not fit, in words; None where all fits. Keys that a schema does not name are free."""
    sort = type(schema) if isinstance(schema, dict | list) else schema
    fits = isinstance(node, sort) if isinstance(sort, type) else sort(node)
    if not fits:
        return f"{where or 'the whole'} is not {WORDS[sort]}"
    if isinstance(schema, list):
        parts = [(value, schema[0], f"{where}[{n}]") for n, value in enumerate(node)]
    elif isinstance(schema, dict):
        every = dict.fromkeys(node, schema[EVERY]) if EVERY in schema else schema
        parts = [(node[key], part, f"{where}.{key}" if where else key) for key, part in every.items() if key in node]
    else:
        parts = []
    return next(filter(None, (_misfit(*part) for part in parts)), None)
