"""Whose classes may be built and whose configs are found: ours, and those of the packages in AEEXP_PACKAGES.

AEEXP_PACKAGES=mine trusts the package `mine` and finds the options in mine/configs/<group>/ beside ours. A stored run
names classes too, so that only the person at the keyboard, and no file, can say what is trusted.
"""

import os
from importlib.util import find_spec
from pathlib import Path

from aeexp.errors import UserError

# in the wheel they are aeexp/configs; a checkout has them beside the package
CONFIGS = next(
    path for path in (Path(__file__).parents[1] / "configs", Path(__file__).parents[2] / "configs") if path.is_dir()
)


def trusted() -> list[str]:
    """The packages of the user, by name."""
    return [name for name in os.environ.get("AEEXP_PACKAGES", "").split(",") if name]


def folders() -> list[Path]:
    """Where configs are: ours first. UserError where a package is not there."""
    found = [CONFIGS]
    for name in trusted():
        spec = find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise UserError(f"AEEXP_PACKAGES={name} is no package that Python finds: install it, or set PYTHONPATH")
        found.append(Path(spec.submodule_search_locations[0]) / "configs")
    return found


def groups() -> set[str]:
    """The names of the config groups."""
    found = {path.name for folder in folders() if folder.is_dir() for path in folder.iterdir() if path.is_dir()}
    return (found | {"bottleneck"}) - {"hydra"}


def options(group: str) -> set[str]:
    """The names of a group's options."""
    return {file.stem for folder in folders() for file in (folder / group).glob("*.yaml")}
