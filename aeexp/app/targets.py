"""What a `_target_` may name: a class of a component, decided by its name before anything is imported.

A stored run names classes too, and may be somebody else's: importing a module runs it. Only components of this project,
layers, optimizers and callbacks, and the packages of the user (AEEXP_PACKAGES) are imported, and of the latter nothing
that lies within a run's directory or holds one.
"""

import inspect
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from aeexp.app.packages import trusted
from aeexp.errors import UserError

ROOMS = (
    *("activations", "codes", "context", "corruptions", "data", "evaluation", "initializations", "likelihoods"),
    *("metrics", "models", "networks", "priors", "scalings", "training"),
)
LIBRARIES = ("torch.nn", "torch.optim", "pytorch_lightning.callbacks", "pytorch_lightning.trainer")
TRUSTED = (*(f"aeexp.{room}" for room in ROOMS), *LIBRARIES)
TRAINER = "pytorch_lightning.Trainer"  # as stored runs name it
NAME = re.compile(r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)+")


def target(path: object, where: str) -> type:
    """The class of this name. UserError where it is none that may be built."""
    if isinstance(path, str) and NAME.fullmatch(path) and (_within(path, (*TRUSTED, *trusted())) or path == TRAINER):
        module, _, name = path.rpartition(".")
        try:
            found = getattr(_module(module, tuple(trusted())), name)
        except Exception as error:
            raise UserError(f"{where}._target_={path} cannot be imported: {error}") from None
        if inspect.isclass(found) and _within(found.__module__, (*TRUSTED, *trusted())):
            return found
    raise UserError(
        f"{where}._target_={path} is no class of a component of aeexp, nor of {', '.join(LIBRARIES)}: choose one of "
        "theirs, or name a package of your own in AEEXP_PACKAGES"
    )


def _within(path: str, packages: tuple[str, ...]) -> bool:
    return f"{path}.".startswith(tuple(f"{name}." for name in packages))


@cache
def _module(name: str, own: tuple[str, ...]) -> object:
    """The module; of a user's package, each module on the way is looked at before it is imported."""
    words = name.split(".")
    if _within(name, own):
        root = _file(words[0])
        outside = {*root.parents}
        for n in range(1, len(words) + 1):
            file = _file(".".join(words[:n]))
            if any(_is_run(folder) or (folder not in outside and _holds_runs(folder)) for folder in file.parents):
                raise UserError(f"{file} lies among the files of a run, which are never executed")
    return import_module(name)


def _file(module: str) -> Path:
    """Where it lies. Imports the package that it lies in. UserError of a folder without __init__.py below another."""
    spec = find_spec(module)
    if spec is None:
        raise UserError(f"there is no module {module}")
    if spec.origin is None and "." in module:
        raise UserError(f"{module} is a folder without __init__.py")
    return Path(spec.origin or next(iter(spec.submodule_search_locations or ["."]))).resolve()


def _holds_runs(folder: Path) -> bool:
    """Whether it is the folder of a sweep, or of sweeps; a package may have such a folder within it."""
    return any(_is_run(path.parent) for depth in ("*", "*/*") for path in folder.glob(f"{depth}/config.yaml"))


def _is_run(folder: Path) -> bool:
    kept = ("status.json", "results.json", "checkpoints")
    return (folder / "config.yaml").exists() and any((folder / name).exists() for name in kept)
