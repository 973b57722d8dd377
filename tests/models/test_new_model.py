"""A model is two files: the one of docs/own_model.md, added to a copy of the checkout and as a package beside it."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from aeexp.runs.run import find

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs" / "own_model.md").read_text()
CODE, CONFIG = (re.search(rf"```{language}\n(.*?)```", PAGE, re.S).group(1) for language in ("python", "yaml"))
CONTRACTS = "tests/models/test_contracts.py"


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the project keeps."""
    for folder in ("aeexp", "hydra_plugins", "configs", "docs", "tests"):
        bytecode = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / "checkout" / folder, ignore=bytecode)
    for file in (*ROOT.glob("*.py"), *ROOT.glob("*.md"), ROOT / "pyproject.toml"):
        shutil.copy(file, tmp_path / "checkout")
    return tmp_path / "checkout"


def python(folder, *words, **environment):
    """What Python prints in `folder`, whose own package it finds first."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder), **environment}
    command = [sys.executable, "-B", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def passed(folder, *words, **environment):
    """How many tests passed."""
    printed = python(folder, "-m", "pytest", "-v", "-n0", "-p", "no:cacheprovider", *words, **environment)
    return int(re.search(r"(\d+) passed", printed).group(1))


def files(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_two_files_in_a_checkout_turn_nothing_red(checkout, tmp_path):
    before = files(checkout)
    (checkout / "aeexp/models/decayed.py").write_text(CODE)
    (checkout / "configs/model/decayed.yaml").write_text(
        CONFIG.replace("decayed.Decayed", "aeexp.models.decayed.Decayed")
    )
    assert passed(checkout, CONTRACTS, "-k", "decayed or catalogue or options") > 30
    assert passed(checkout, "tests/test_house.py", "tests/plots", "-m", "not slow") > 300
    runs = f"runs={tmp_path / 'runs'}"
    python(checkout, "train.py", "model=decayed", "trainer.max_epochs=1", "evaluation=[reconstruction]", runs)
    (run,) = find(tmp_path / "runs")
    python(checkout, "evaluate.py", f"run={run.path}", "evaluation=[objective]")
    assert {"reconstruction/squared_error", "objective/decay_test"} <= set(find(tmp_path / "runs")[0].metrics)
    assert set(files(checkout)) - set(before) == {"aeexp/models/decayed.py", "configs/model/decayed.yaml"}
    assert {name for name, content in before.items() if files(checkout)[name] != content} == set()


def test_a_package_of_the_user_keeps_the_contract_too(tmp_path):
    for name, content in (("__init__.py", CODE), ("configs/model/decayed.yaml", CONFIG)):
        (tmp_path / "decayed" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "decayed" / name).write_text(content)
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    words = [str(ROOT / CONTRACTS), f"--rootdir={ROOT}", "-k", "decayed"]
    assert passed(ROOT, *words, AEEXP_PACKAGES="decayed", PYTHONPATH=path) >= 6
