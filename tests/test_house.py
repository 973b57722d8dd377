"""The architecture: imports between packages run one way, packages know each other by contract, files are small."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each room may import from the rooms below it. Imports run one way, and siblings do not import each other.
GROUND = {"errors", "types", "activations", "files", "scalings", "columns", "symbols"}
PARTS = {"networks", "codes", "corruptions", "likelihoods", "priors", "initializations"}
BELOW = {
    "errors": set(),
    "types": set(),
    "columns": set(),
    "symbols": set(),
    "files": {"errors"},
    "activations": {"errors"},
    "scalings": {"types"},
    **dict.fromkeys(PARTS, GROUND),
    "codes": GROUND | {"priors"},
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
    "__main__": {"app"},
    "sklearn": {"api"},
}
FILES = sorted((ROOT / "aeexp").rglob("*.py"))
GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [*ROOT.glob("[RS]*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("configs/**/*.yaml")]
PROSE = sorted([*PAGES, ROOT / "CONTRIBUTING.md", *FILES])
REPLACED = {  # by the words of the glossary
    "adopt": "copy weights",
    "kind of autoencoder": "model",
    "regime": "label budget",
    "strange": "anomalous",
    "twin": "duplicate run",
}


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
def test_a_class_of_another_room_is_known_by_its_contract(file):
    """isinstance asks about classes of the own room, of the ground floor, and of libraries."""
    tree, near = ast.parse(file.read_text()), GROUND | {room(file)}
    imports = [node for node in nodes(tree, ast.ImportFrom) if node.module.startswith("aeexp.")]
    foreign = {name.name for node in imports if node.module.split(".")[1] not in near for name in node.names}
    tests = [node for node in nodes(tree, ast.Call) if getattr(node.func, "id", "") in ("isinstance", "issubclass")]
    classes = {name.id for node in tests for name in nodes(node.args[1], ast.Name)}
    assert classes & foreign == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_does_one_thing(file):
    assert len(file.read_text().splitlines()) <= 200
    functions = nodes(ast.parse(file.read_text()), ast.FunctionDef)
    assert [node.name for node in functions if node.end_lineno - node.lineno >= 40] == []


def test_the_programs_are_a_dozen_lines_each():
    for name in ("train.py", "evaluate.py"):
        assert len((ROOT / name).read_text().splitlines()) <= 20


def test_the_glossary_has_each_word_once_and_in_order():
    words = re.findall(r"^\| (?!word|---)(.*?) \|", GLOSSARY.read_text(), re.M)
    assert len(words) > 25
    assert words == sorted(set(words))


@pytest.mark.parametrize("word", ["class filter", "label budget", "latent sampler", "evaluation context", "component"])
def test_a_word_of_the_glossary_is_the_name_of_its_class(word):
    classes = {node.name for file in FILES for node in nodes(ast.parse(file.read_text()), ast.ClassDef)}
    name = word.title().replace(" ", "")
    assert f"| {word}" in GLOSSARY.read_text()
    assert classes & {name, f"{name}s"}


@pytest.mark.parametrize("file", PROSE, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_word_that_was_replaced_is_not_used(file):
    text = file.read_text()
    if file.suffix == ".py":
        documented = nodes(ast.parse(text), ast.Module, ast.ClassDef, ast.FunctionDef)
        text = "\n".join(ast.get_docstring(node) or "" for node in documented)
    found = [word for word in REPLACED if re.search(rf"\b{word}(s|ed)?\b", text, re.I)]
    assert [f"{word}: say {REPLACED[word]}" for word in found] == []


def nodes(tree, *types):
    return [node for node in ast.walk(tree) if isinstance(node, types)]
