"""The options of the config groups as their YAML files describe them: what each is, what it chooses, every key."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from aeexp.app.help import NUMBERS
from aeexp.app.packages import CONFIGS

ROOT = Path(__file__).parents[1]
RECIPES = ("table", "experiment")  # their keys are those of other groups
UNSHOWN = ("_target_", "_partial_", "defaults", "name")  # said elsewhere on the page


@dataclass(frozen=True)
class Key:
    """A setting: its name as the command line has it, its default, the comment behind it, the class that reads it."""

    name: str
    value: str
    meaning: str
    target: str

    @property
    def last(self) -> str:
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Option:
    """One YAML file of a group."""

    group: str
    file: Path

    @property
    def name(self) -> str:
        return self.file.stem

    @cached_property
    def text(self) -> str:
        return self.file.read_text("utf-8")

    @cached_property
    def node(self) -> dict[str, Any]:
        return yaml.safe_load(self.text) or {}

    @property
    def meaning(self) -> str:
        """The comment that opens the file."""
        head = re.match(r"(?:#.*\n|\n)*", self.text)
        lines = head.group().splitlines() if head else []
        return " ".join(line.removeprefix("#").strip() for line in lines if not line.startswith("# @package")).strip()

    @property
    def package(self) -> str:
        """What stands before the keys of this file on the command line."""
        stated = re.search(r"^# @package (\S+)", self.text, re.M)
        package = stated.group(1) if stated else self.group.replace("/", ".")
        return "" if package == "_global_" else package

    @cached_property
    def base(self) -> "Option | None":
        """The option of the same group that this one changes."""
        entries = [entry for entry in self.node.get("defaults", []) if isinstance(entry, str) and entry != "_self_"]
        files = [self.file.with_name(f"{entry.partition('@')[0]}.yaml") for entry in entries]
        return next((Option(self.group, file) for file in files if file.exists()), None)

    @property
    def chooses(self) -> list[str]:
        """What it sets in other groups, as words of the command line."""
        entries = [entry for entry in self.node.get("defaults", []) if isinstance(entry, dict)]
        pairs = [(key, value) for entry in entries for key, value in entry.items() if key.startswith("override ")]
        return [f"{key.removeprefix('override /')}={_inline(value)}" for key, value in pairs]

    @property
    def target(self) -> str:
        """The class that it builds; "" where it builds none."""
        own = self.node.get("_target_") or self.node.get(self.group, {}).get("_target_")
        return own or (self.base.target if self.base else "")

    @cached_property
    def keys(self) -> list[Key]:
        found = list(_keys(yaml.compose(self.text), self.text.splitlines(), self.target))
        prefix = f"{self.package}." if self.package else ""
        return [Key(prefix + key.name, key.value, key.meaning, key.target) for key in found]


def options(group: str) -> list[Option]:
    """All options of a group, by name, numbers by size."""
    files = (CONFIGS / group).glob("*.yaml")
    return [
        Option(group, file) for file in sorted(files, key=lambda file: (len(file.stem) * file.stem.isdigit(), file))
    ]


@cache
def meanings() -> dict[tuple[str, str], str]:
    """What a key means, by its last name and the class that reads it, where some option says so."""
    said = [key for group in groups() for option in options(group) for key in option.keys if key.meaning]
    return {(key.last, key.target): key.meaning for key in reversed(said)}


def meaning_of(key: Key) -> str:
    """The comment behind the key, or where the same class reads it elsewhere; or whose value it has."""
    link = re.fullmatch(r'"?\$\{([\w.]+)\}"?', key.value)
    if link and not key.meaning:
        return f"as `{link.group(1)}`"
    return key.meaning or meanings().get((key.last, key.target), "")


def groups() -> list[str]:
    """All groups, by name."""
    return sorted({str(file.parent.relative_to(CONFIGS)) for file in CONFIGS.rglob("*.yaml")} - {"."})


def uncommented() -> list[str]:
    """Keys of which nothing says what they mean, and options of which nothing says what they are."""
    shown = [option for group in groups() if group not in {*RECIPES, *NUMBERS} for option in options(group)]
    silent = [str(option.file.relative_to(ROOT)) for option in shown if not option.meaning]
    keys = [
        f"{option.file.relative_to(ROOT)}: {key.name}" for option in shown for key in option.keys if not meaning_of(key)
    ]
    return [*silent, *keys]


def code_file(target: str) -> Path | None:
    """The file in this repository that holds a class."""
    file = ROOT / Path(*target.split(".")[:-1]).with_suffix(".py")
    return file if target and file.exists() else None


def docstring(target: str) -> str:
    """Of the module of a class."""
    file = code_file(target)
    return (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "") if file else ""


def _keys(node: yaml.Node | None, lines: list[str], target: str, prefix: str = "") -> Iterator[Key]:
    """A mapping that has a comment and builds nothing is one key."""
    if not isinstance(node, yaml.MappingNode):
        return
    target = _target(node) or target
    for key, value in node.value:
        if key.value in UNSHOWN:
            continue
        name = f"{prefix}{key.value}"
        meaning = _comment(lines, key.start_mark)
        if isinstance(value, yaml.MappingNode) and value.value and (_target(value) or not meaning):
            if meaning:
                yield Key(name, _target(value), meaning, target)
            yield from _keys(value, lines, target, f"{name}.")
        else:
            yield Key(name, _written(value, lines), meaning, target)


def _target(node: yaml.MappingNode) -> str:
    return next((value.value for key, value in node.value if key.value == "_target_"), "")


def _written(node: yaml.Node, lines: list[str]) -> str:
    start, end = node.start_mark, node.end_mark
    if start.line == end.line:
        return lines[start.line][start.column : end.column]
    return "{...}" if isinstance(node, yaml.MappingNode) else "[...]"


def _comment(lines: list[str], mark: yaml.Mark) -> str:
    """What stands behind a key, and on comment lines right above it. Keys inside of {} have none of their own."""
    n = mark.line
    if lines[n][: mark.column].strip():
        return ""
    behind = re.search(r"\s#\s(.*)$", lines[n])
    first = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))  # above it: of the file
    above: list[str] = []
    while n > first and (found := re.match(r"\s*#\s(.*)$", lines[n - 1])):
        n -= 1
        above.insert(0, found.group(1))
    return "; ".join(text.strip() for text in (behind.group(1) if behind else "", " ".join(above)) if text)


def _inline(value: object) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    return str(value)
