"""The house's laws that a program can see."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each room may import from the rooms below it. Imports run one way, and siblings do not import each other.
GROUND = {"errors", "types", "activations", "files"}
PARTS = {"networks", "codes", "corruptions", "likelihoods", "priors", "initializations"}
BELOW = {
    "errors": set(),
    "types": set(),
    "files": set(),
    "activations": {"errors"},
    **dict.fromkeys(PARTS, GROUND),
    "data": GROUND,
    "models": GROUND | PARTS,
    "metrics": GROUND | {"data"},
    "plots": set(),
    "runs": {"errors", "files"},
    "report": {"errors", "files", "runs", "plots"},
    "training": GROUND | {"models", "data", "runs"},
    "context": GROUND | {"models", "priors", "data", "training", "metrics", "plots"},
    "evaluation": GROUND | {"models", "priors", "codes", "data", "training", "metrics", "plots", "context"},
    "app": GROUND | {"models", "data", "training", "context", "evaluation", "runs", "report"},
    "api": GROUND | {"models", "data", "training", "runs", "app"},
    "__init__": {"api"},
    "__main__": {"__version__", "app"},
    "sklearn": {"api"},
}
FILES = sorted((ROOT / "aeexp").rglob("*.py"))


def room(file):
    return file.relative_to(ROOT / "aeexp").parts[0].removesuffix(".py")


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ([f"aeexp.{name.name}" for name in node.names] if node.module == "aeexp" else [node.module])


def test_the_rooms_are_found():
    assert len(FILES) > 35
    assert {room(file) for file in FILES} == set(BELOW)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_run_one_way(file):
    rooms = {name.split(".")[1] for name in imported(file) if name.startswith("aeexp.")}
    assert rooms <= BELOW.get(room(file), set()) | {room(file)}
    libraries = {name.split(".")[0] for name in imported(file)}
    if room(file) != "app":
        assert not libraries & {"hydra", "omegaconf"}
    if room(file) in ("runs", "report"):
        assert not libraries & {"torch", "pytorch_lightning", "torchvision"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_does_one_thing(file):
    assert len(file.read_text().splitlines()) <= 200


def test_the_programs_are_a_dozen_lines_each():
    for name in ("train.py", "evaluate.py"):
        assert len((ROOT / name).read_text().splitlines()) <= 20
