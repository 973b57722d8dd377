"""The pages of the documentation that nobody types:  python docs/generate.py [runs/<table> ...]

docs/catalogue/ describes the options of the config groups by their YAML files and docstrings, results/README.md the
stored tables. Of each sweep that is named, what its table is made of is kept in results/<table> first.
"""

import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from math import prod
from pathlib import Path

import stored_tables
import uses
import yaml_options as options
from markup import joined, page, table, text, words
from yaml_options import ROOT, Key, Option

from aeexp.app.help import GROUP, KEY, NUMBERS
from aeexp.files import write

CATALOGUE = ROOT / "docs" / "catalogue"
OWN_PAGES = {"model": "models.md", "data": "data.md", "evaluation": "protocols.md", "table": "tables.md"}
QUESTIONS = {  # of groups that train.yaml does not list
    "latent_sampler": "where do the codes of a model without a prior come from?",
    "hydra/launcher": "where does a sweep run?",
    "hydra/sweeper": "which points has a sweep?",
}


def models() -> str:
    """What `model` chooses, its baselines last, then the objective of each file."""
    trained = [option for option in options.options("model") if "baseline" not in option.meaning]
    baselines = [option for option in options.options("model") if "baseline" in option.meaning]
    rows = [
        (f"[`model={o.name}`]({_yaml(o)})", o.meaning, words(o.chooses), f"[{_class(o)}](#{_anchor(o)})")
        for o in [*trained, *baselines]
    ]
    parts = [page("Models", "What `model=` chooses. A word of the command line wins over what a model chooses.")]
    parts += [
        table(("model", "what it is, and its source", "it chooses", "objective"), rows),
        *_keys(options.options("model")),
    ]
    for file, same in groupby(sorted(trained + baselines, key=_file), key=_file):
        first, *_ = same
        parts += [f"### {Path(file).stem}", f"[{file}](../../{file})", text(options.docstring(first.target))]
    return joined(parts)


def protocols() -> str:
    """What `evaluation` chooses: the metrics of each protocol, and its settings."""
    found = [option for option in options.options("evaluation") if option.node.get("_target_")]
    parts = [
        page("Protocols", "What `evaluation=[...]` chooses, of a new run or, by `aeexp evaluate`, of a finished one."),
        table(("protocol", "what it measures"), [(f"[{o.name}](#{o.name})", o.meaning) for o in found]),
        "`evaluation=[all]` is the list of all but `fine_tune`, `restoration`, `sequences`, `regression` and "
        "`pointwise`.",
    ]
    for option in found:
        parts += [f"## {option.name}", text(options.docstring(option.target)), *_keys([option], names=False)]
    return joined(parts)


def data() -> str:
    """What `data` chooses."""
    found = options.options("data")
    rows = [(f"[`data={o.name}`]({_yaml(o)})", o.meaning, *_sizes(o)) for o in found]
    head = ("data set", "what it is, and its source", "shape", "classes")
    about = "What `data=` chooses. Values are scaled to [0, 1]. Files of your own: [own data](../own_data.md)."
    return joined([page("Data sets", about), table(head, rows), *_keys(found)])


def tables() -> str:
    """What `table` chooses: the sweep, its metrics, its published values."""
    parts = [
        page(
            "Tables", "What `table=` chooses: a sweep, its metrics and what was published. [Your own](../own_table.md)."
        )
    ]
    for option in options.options("table"):
        node, sweep = option.node["table"], option.node["table"]["sweep"]
        runs = prod(map(len, sweep.values()))
        metrics = [(f"`{name}`", metric["title"]) for name, metric in node["metrics"].items()]
        points = [(f"`{key}`", ", ".join(map(str, values))) for key, values in sweep.items()]
        published = (
            f"Published values: {len(node.get('published', []))}, of {'; '.join(node.get('sources', {}).values())}."
        )
        known = [published] if "published" in node else []
        parts += [f"## {option.name}", option.meaning, f"`aeexp train table={option.name}`: {runs} runs.", *known]
        parts += [table(("swept", "values"), points), table(("metric", "what it is"), metrics)]
    return joined(parts)


def all_options() -> str:
    """Every option of every group, and every key."""
    program = (options.CONFIGS / "train.yaml").read_text("utf-8")
    defaults = {name: (default.strip('"'), meaning) for name, default, meaning in GROUP.findall(program)}
    names = [*defaults, *(name for name in [*QUESTIONS, *options.groups()] if name not in defaults)]
    about = "What a command line chooses: `group=option`, and `key=value`."
    keys = [(f"`{key}`", f"`{value}`", meaning) for key, value, meaning in KEY.findall(program)]
    parts = [page("Options", about), "## Keys of `aeexp train`", table(("key", "default", "meaning"), keys)]
    for name in dict.fromkeys(names):
        default, question = defaults.get(name, ("", QUESTIONS.get(name, "")))
        parts += [f"## `{name}`" + (f": {question}" if question else "")]
        parts += [f"Default: `{name}={default}`."] if default and default != "null" else []
        parts += _group(name)
    return joined(parts)


def _group(name: str) -> list[str]:
    if name in NUMBERS:
        return [f"`{name}=24`: {NUMBERS[name]}."]
    found = options.options(name)
    if name in OWN_PAGES:
        return [f"[{len(found)} options]({OWN_PAGES[name]}): {words(option.name for option in found)}"]
    rows = [(f"[`{o.name}`]({_yaml(o)})", o.meaning, words(o.chooses)) for o in found]
    described = table(("option", "what it is", "it chooses"), rows)
    return [described] if name in options.RECIPES else [described, *_keys(found)]


def _keys(found: list[Option], names: bool = True) -> Iterator[str]:
    """A table of the keys of these options: one row for what means the same."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for option in found:
        for key in option.keys:
            values = rows.setdefault((key.name, options.meaning_of(key)), {})
            values[option.name] = _short(key)
    shown = [
        (f"`{name}`", _values(values, names and len(found) > 1), meaning) for (name, meaning), values in rows.items()
    ]
    if shown:
        yield table(("key", "default", "meaning"), shown)


def _values(values: dict[str, str], names: bool) -> str:
    """`0.1` (contractive, sparse), `1.0` (adversarial); one value of many options stands alone."""
    by_value: dict[str, list[str]] = {}
    for option, value in values.items():
        by_value.setdefault(value, []).append(option)
    if not names or (len(by_value) == 1 and len(values) > 4):
        return ", ".join(f"`{value}`" for value in by_value)
    return ", ".join(f"`{value}` ({', '.join(holders)})" for value, holders in by_value.items())


def _short(key: Key) -> str:
    return key.value if len(key.value) <= 60 else f"{key.value[:56]} ..."


def _sizes(option: Option) -> tuple[str, str]:
    node = {**(option.base.node if option.base else {}), **option.node}
    shape, classes = node.get("shape"), node.get("classes")
    return " x ".join(map(str, shape)) if shape else "of the files", str(classes or "of the files")


def _file(option: Option) -> str:
    file = options.code_file(option.target)
    return str(file.relative_to(ROOT)) if file else ""


def _anchor(option: Option) -> str:
    return Path(_file(option)).stem


def _class(option: Option) -> str:
    return option.target.rpartition(".")[2]


def _yaml(option: Option) -> str:
    return f"../../{option.file.relative_to(ROOT)}"


PAGES: dict[Path, Callable[[], str]] = {
    CATALOGUE / "models.md": models,
    CATALOGUE / "protocols.md": protocols,
    CATALOGUE / "data.md": data,
    CATALOGUE / "tables.md": tables,
    CATALOGUE / "options.md": all_options,
    ROOT / "results" / "README.md": stored_tables.index,
    ROOT / "results" / "uses.md": uses.page,
}


def main(sweeps: list[str]) -> None:
    for sweep in sweeps:
        stored_tables.keep(Path(sweep))
    for file, content in PAGES.items():
        if not file.exists() or file.read_text("utf-8") != content():
            write(file, content())
            print(file.relative_to(ROOT))
    for silent in options.uncommented():
        print(f"{silent} has no comment that says what it is", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
