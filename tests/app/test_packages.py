"""A package of the user's own, beside this project: its models, data, networks and codes, and what is not trusted."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT

from aeexp.app.build import build
from aeexp.app.packages import folders, options
from aeexp.errors import UserError
from aeexp.runs.run import find

PAGE = (ROOT / "docs" / "own_model.md").read_text()
PARTS = '''
import torch
from torch import nn

from aeexp.types import Code


class Stripes:
    """Twenty images of stripes, and eight to test."""

    def prepare(self, root):
        pass

    def load(self, root):
        x = (torch.arange(28).view(28, 1, 1, 1) * torch.arange(36).view(1, 1, 6, 6)) % 17
        y = torch.arange(28) % 2
        return (x[:20].to(torch.uint8), y[:20]), (x[20:].to(torch.uint8), y[20:])


class Tanh(nn.Module):
    def __init__(self, in_features: int, dim: int):
        super().__init__()
        self.project = nn.Linear(in_features, dim)

    def forward(self, features):
        z = self.project(features).tanh()
        return Code(z, z)
'''
CONFIGS = {
    "data/stripes.yaml": """
        _target_: aeexp.data.module.DataModule
        name: stripes
        source: {_target_: decayed.parts.Stripes}
        root: nowhere
        shape: [1, 6, 6]
        classes: 2
        peak: 16
        scale: 1.0
        val: 4
        test: null
        seed: ${seed}
        labels: ${labels}
        stratified: false
        label_seed: ${seed}
        batch_size: 4
    """,
    "code/tanh.yaml": "_target_: decayed.parts.Tanh",
}


@pytest.fixture
def package(tmp_path):
    """The package of docs/own_model.md, as it stands there, with data and a code of its own."""
    code, config = (re.search(rf"```{language}\n(.*?)```", PAGE, re.S).group(1) for language in ("python", "yaml"))
    files = {"__init__.py": code, "configs/model/decayed.yaml": config, "parts.py": PARTS}
    files |= {f"configs/{name}": re.sub("^        ", "", text, flags=re.M) for name, text in CONFIGS.items()}
    for name, text in files.items():
        (tmp_path / "decayed" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "decayed" / name).write_text(text)
    return tmp_path


@pytest.mark.slow
def test_the_example_of_the_documentation_runs_without_touching_this_repository(package):
    command = re.search(r"`(AEEXP_PACKAGES=.*?)`", PAGE).group(1)
    *variables, _, program, word = shlex.split(command)
    environment = {**os.environ, **dict(variable.split("=") for variable in variables), "OMP_NUM_THREADS": "1"}
    words = [word, "data=stripes", "code=tanh", "bottleneck=2", "trainer.max_epochs=2", "evaluation=[reconstruction]"]
    words = [sys.executable, str(ROOT / f"{program}.py"), *words]
    done = subprocess.run(words, cwd=package, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "train/decay" in done.stdout
    (run,) = find(package / "runs")
    assert run.metrics["reconstruction/squared_error"] > 0


def test_its_options_stand_beside_ours(package, monkeypatch):
    monkeypatch.syspath_prepend(package)
    monkeypatch.setenv("AEEXP_PACKAGES", "decayed")
    assert {"vae", "decayed"} <= options("model")
    assert folders()[1] == package / "decayed" / "configs"


def test_a_package_that_was_not_named_is_not_run(package, monkeypatch):
    monkeypatch.syspath_prepend(package)
    with pytest.raises(UserError, match="AEEXP_PACKAGES"):
        build({"_target_": "decayed.parts.Stripes"}, "data.source")
    monkeypatch.setenv("AEEXP_PACKAGES", "decayed")
    assert build({"_target_": "decayed.parts.Stripes"}, "data.source")


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("AEEXP_PACKAGES", "decaied")
    with pytest.raises(UserError, match="decaied"):
        folders()
