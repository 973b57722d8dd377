"""The one function that turns a `_target_` into an object, and says in a sentence what is wrong with a node."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, get_args, get_origin, get_type_hints

from typeguard import TypeCheckError, check_type

from aeexp.app.targets import target
from aeexp.errors import UserError

PLAIN = (bool, int, float, str, list, dict, type(None))  # what a YAML file holds


def build(node: Any, where: str, **extra: Any) -> Any:
    """The object that `node` describes; `extra` are arguments that only the program knows. Inner nodes come first.

    `_partial_: true` gives the class with these arguments, to be called with the rest. UserError names `where`.
    """
    if not isinstance(node, dict):
        return node
    inner = {key: build(value, f"{where}.{key}") for key, value in node.items() if key not in ("_target_", "_partial_")}
    if "_target_" not in node:
        return inner
    return call(target(node["_target_"], where), where, node.get("_partial_", False), **{**inner, **extra})


def call(target: Any, where: str, later: bool = False, /, **arguments: Any) -> Any:
    """target(**arguments), or the partial that does it `later`; UserError where an argument does not fit."""
    parameters = inspect.signature(target).parameters
    free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    known = [name for name, parameter in parameters.items() if not parameter.kind.name.startswith("VAR_")]
    hints = _hints(target)
    for name, value in arguments.items():
        if name not in parameters and not free:
            raise UserError(f"{where} has no option {name!r}; it has {', '.join(known)}")
        if not _fits(value, hints.get(name, Any)):
            raise UserError(f"{where}.{name} is {_shown(value)}, but it should be {_readable(hints[name])}")
    if later:
        return partial(target, **arguments)
    required = [name for name in known if parameters[name].default is inspect.Parameter.empty]
    missing = [name for name in required if name not in arguments]
    if missing:
        raise UserError(f"{where} lacks {', '.join(missing)}")
    try:
        return target(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {error}") from error


def _hints(target: Any) -> dict[str, Any]:
    try:
        return get_type_hints(target.__init__)
    except (NameError, TypeError):
        return {}


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(value, partial) and get_origin(hint) is Callable:  # looked at before it is called
        return isinstance(value.func, type) and issubclass(value.func, get_args(hint)[-1])
    try:
        check_type(tuple(value) if isinstance(value, list) and "tuple" in str(hint).lower() else value, hint)
    except TypeCheckError:
        return False
    return True


def _shown(value: Any) -> str:
    made = value.func if isinstance(value, partial) else type(value)
    return repr(value) if isinstance(value, PLAIN) else f"a {made.__name__}"


def _readable(hint: Any) -> str:
    made = get_args(hint)[-1] if get_origin(hint) is Callable else hint
    return made.__name__ if isinstance(made, type) else str(made).replace("typing.", "")
