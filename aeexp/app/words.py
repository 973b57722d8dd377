"""The words of a command line: aliases, quotes that Hydra needs, and options that exist, with the nearest ones."""

import difflib
import hashlib
import re
import sys
from functools import cache
from importlib.util import find_spec
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from aeexp.app.packages import groups, options
from aeexp.errors import UserError
from aeexp.runs.identity import NOT_IDENTITY, short

WHOLE_NUMBER, QUOTED = re.compile(r"(?<![\w.'-])(\d+)(?![\w.'])"), r"'\1'"
NUMBERS = {"bottleneck": "any whole number from 1"}  # groups without files: hydra_plugins.aeexp_configs
# What Hydra's plugins need: the module, and the extra that installs it.
PLUGINS = {
    "hydra/launcher": {
        "basic": ("hydra", ""),
        "processes": ("pebble", ""),
        "joblib": ("hydra_plugins.hydra_joblib_launcher", "joblib"),
        "slurm": ("submitit", "slurm"),
        "ray": ("ray", "ray"),
    },
    "hydra/sweeper": {"basic": ("hydra", ""), "grid": ("hydra", ""), "optuna": ("optuna", "optuna")},
}
ALIASES = {"view=": "class_filter=", "data.view.": "data.class_filter."}  # the words of version 0.1


def read(word: str) -> str:
    """A word of the command line as Hydra takes it. UserError where its option does not exist."""
    for old, new in ALIASES.items():
        if word.startswith(old):
            print(f"{old} is called {new} now, and will not be understood in the next version", file=sys.stderr)
            word = new + word.removeprefix(old)
    if word.startswith("~"):
        raise UserError(f"{word} takes away what every run has: choose another value, as {word[1:].split('=')[0]}=...")
    check_options(word)
    return readable(quoted(word))


def quoted(argument: str) -> str:
    """bottleneck=1,10 -> bottleneck='1','10': Hydra takes the name of a group's option for text only when quoted."""
    key, equals, value = argument.partition("=")
    if not (equals and (key in NUMBERS or options(key))) or "(" in value:
        return argument
    return f"{key}={WHOLE_NUMBER.sub(QUOTED, value)}"


def readable(argument: str) -> str:
    """The whole value in quotes where Hydra's grammar has no other way, as for runs=/tmp/a=b or runs=/tmp/é."""
    key, equals, value = argument.partition("=")
    if not equals or not key or re.search(r"['\",{}\[\]]", value):
        return argument
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return f"{key}='{value}'"
    return argument


def check_options(argument: str) -> None:
    """UserError where the option of a group does not exist, with those that do, or what it needs is not installed."""
    key, equals, value = argument.partition("=")
    plugins = PLUGINS.get(key, {})
    known = options(key) | set(plugins) if equals else set()
    if value in plugins and find_spec(plugins[value][0]) is None:
        raise UserError(f"{argument} needs what is not installed: pip install 'aeexp[{plugins[value][1]}]'")
    if key == "hydra.job.chdir" and value.lower() == "true":
        raise UserError("hydra.job.chdir=true is refused: choose runs= for another folder, and leave it false")
    if not equals or not (known or key in NUMBERS) or "(" in value:
        return
    for option in re.split(r"[\s,\[\]'\"]+", value):
        if option and option != "null" and option not in known:
            _no_option(key, option, known)


def _no_option(key: str, option: str, known: set[str]) -> None:
    if key not in NUMBERS:
        raise UserError(f"{key}={option} does not exist: {did_you_mean(option, known)}there are {_listed(known)}")
    if not option.isdigit() or option.startswith("0"):
        raise UserError(f"{key}={option} does not exist: choose a whole number from 1, as {key}=32")


def did_you_mean(word: str, known: set[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}? " if close else ""


def _listed(known: set[str]) -> str:
    return ", ".join(sorted(known, key=lambda name: (len(name), name) if name.isdigit() else (0, name)))


def parsed(overrides: list[str]) -> list[Any]:
    """UserError where Hydra's grammar does not understand one of them."""
    return [_parsed(word) for word in overrides]


@cache
def _parsed(word: str) -> Any:
    try:
        return OverridesParser.create().parse_overrides([word])[0]
    except HydraException as error:
        raise UserError(sentence(error)) from None


def sweeps(overrides: list[str]) -> bool:
    return any(override.is_sweep_override() for override in parsed(overrides))


def sweep_name(overrides: list[str]) -> str:
    """A folder for a sweep that was given none, from its choices: the swept keys, and a hash of all but the seeds."""
    found = {o.key_or_group: o for o in parsed(overrides) if not o.key_or_group.startswith("hydra")}
    decisive = {key: o.input_line.partition("=")[2] for key, o in found.items() if key not in {*NOT_IDENTITY, "seed"}}
    swept = [key.rpartition(".")[2] for key in decisive if found[key].is_sweep_override()]
    fixed = [short(value) for key, value in decisive.items() if key in groups() and not found[key].is_sweep_override()]
    digest = hashlib.sha256(repr(sorted(decisive.items())).encode()).hexdigest()[:6]
    return "-".join([*(word for word in [*fixed, *swept] if word), digest][-6:])


def sentence(error: Exception) -> str:
    """The first line of what Hydra says, which names the key; with its own hints, which do not help here, cut."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    hint = next((line for line in lines[1:] if line.startswith("Key '")), "")
    return f"{lines[0].rstrip('.')}. {hint}".strip() if lines else type(error).__name__
