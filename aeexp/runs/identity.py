"""The identity of a run, the hash of what decides its numbers, and its directory, which a person can read.

<runs>/<sweep>/<experiment>-<model>-<data>-<bottleneck>-<what else was chosen>-s<seed>-<identity>
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

# What of a configuration decides no number of the training: names, places, and what is measured afterwards.
NOT_IDENTITY = ("runs", "sweep", "threads", "jobs", "force", "fail_fast", "evaluation", "table", "choices", "overrides")
NOT_IDENTITY_OF = {
    "data": ("root", "class_names"),
    "source": ("cache",),
    "trainer": ("enable_progress_bar", "enable_model_summary"),
}
# null is what older configurations, which lack these, did
SINCE_THEN = {"data": ("binarize", "labelled"), "trainer": ("precision", "gradient_clip_val")}
SHOWN = ("experiment", "model", "data", "bottleneck")
FRACTION_OR_COUNT = ("labels", "val", "test")  # 1.0 is all of them, 1 is one
LONGEST = 60  # characters of what else was chosen; the hash tells the rest apart


def identity_text(config: dict[str, Any]) -> str:
    """Everything that decides the trained weights, as text; numbers that are equal are one text, as 4 and 4.0."""
    kept = {key: value for key, value in config.items() if key not in NOT_IDENTITY}
    kept["data"] = {"source": {}, **kept["data"]}
    for group, keys in SINCE_THEN.items():
        node = kept.get(group, {})
        kept[group] = {key: value for key, value in node.items() if key not in keys or value is not None}
    return json.dumps(_equal_numbers(without_paths(kept)), sort_keys=True)


def identity(config: dict[str, Any]) -> str:
    """Eight hexadecimal digits that stand for it."""
    return hashlib.sha256(identity_text(config).encode()).hexdigest()[:8]


def directory(config: dict[str, Any]) -> Path:
    """<runs>/<sweep>/<readable name>-<identity>"""
    shown = {**config["choices"], "bottleneck": config["bottleneck"]["dim"]}
    words = [str(shown[key]) for key in SHOWN if shown.get(key) not in (None, "null")]
    name = "-".join([*words, *_also(config), f"s{config['seed']}", identity(config)])
    return Path(config["runs"]) / config["sweep"] / re.sub(r"[^\w.-]", "_", name)


def without_paths(node: Any, name: str = "") -> Any:
    """A node without the places where data lie, and without what is only shown."""
    if isinstance(node, dict):
        left_out = NOT_IDENTITY_OF.get(name, ())
        # the data sets `against` which a protocol measures have names of their own
        return {
            key: without_paths(value, "data" if name == "against" else key)
            for key, value in node.items()
            if key not in left_out
        }
    return node


def _also(config: dict[str, Any]) -> list[str]:
    """What was chosen by the command line and is not shown otherwise, as `beta_4` of code.beta=4.0."""
    unsaid = {*SHOWN, *NOT_IDENTITY, "seed", "bottleneck.dim", "data.root", "data.source.cache"}
    chosen = {key.lstrip("+~"): value for key, value in config["overrides"].items()}
    words = [
        f"{key.rpartition('.')[2]}_{short(str(value))}"
        for key, value in sorted(chosen.items())
        if key not in unsaid and key.split(".")[0] not in NOT_IDENTITY
    ]
    text = "-".join(words)
    return [text[:LONGEST].rstrip("-_.")] if text else []


def short(value: str) -> str:
    """A value of the command line as a part of a file's name: 4.0 -> 4, [64,32] -> 64_32, 1e-3 -> 0.001."""
    try:
        return f"{float(value):g}"
    except ValueError:
        return re.sub(r"[^\w.-]+", "_", value).strip("_.")


def _equal_numbers(node: Any, name: str = "") -> Any:
    if isinstance(node, dict):
        return {key: _equal_numbers(value, key) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_equal_numbers(value, name) for value in node]
    whole = isinstance(node, float) and node.is_integer() and name not in FRACTION_OR_COUNT
    return int(node) if whole else node
