"""A package of the user's own, beside this project: its models, data, networks and codes, and what is not trusted."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT

from aeexp.app.build import build
from aeexp.app.components import make_model
from aeexp.app.packages import folders, options
from aeexp.app.sweep import points
from aeexp.errors import UserError
from aeexp.runs.run import find

PAGE = (ROOT / "docs" / "own_model.md").read_text()
PARTS = '''
import torch
from torch import nn

from aeexp.codes.base import Bottleneck
from aeexp.types import Code


class Stripes:
    """Twenty images of stripes, and eight to test."""

    def prepare(self, root):
        pass

    def load(self, root):
        x = (torch.arange(28).view(28, 1, 1, 1) * torch.arange(36).view(1, 1, 6, 6)) % 17
        y = torch.arange(28) % 2
        return (x[:20].to(torch.uint8), y[:20]), (x[20:].to(torch.uint8), y[20:])


class Tanh(Bottleneck):
    def __init__(self, in_features: int, dim: int):
        super().__init__()
        self.project = nn.Linear(in_features, dim)

    def of(self, a):
        z = a.tanh()
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


def test_a_class_of_another_kind_is_refused_where_it_stands(package, monkeypatch):
    monkeypatch.syspath_prepend(package)
    monkeypatch.setenv("AEEXP_PACKAGES", "decayed")
    (point,) = points("train", ["model=undercomplete"])
    config = point.config
    layer = {**config, "code": {"_target_": "torch.nn.Linear", "out_features": 3}}
    with pytest.raises(UserError, match="code is a Linear, but it should be Bottleneck"):
        make_model(layer, (1, 8, 8))
    with pytest.raises(UserError, match="corruption is a Stripes, but it should be Corruption"):
        make_model({**config, "corruption": {"_target_": "decayed.parts.Stripes"}}, (1, 8, 8))


EVIL = "open('{file}', 'w').close()\nclass Code: ..."


@pytest.mark.parametrize("path", ["evil.Code", "runs.first.run.figures.evil.Code", "aeexp_evil.Code", "torch.nnx.Code"])
def test_a_module_that_nobody_named_is_not_imported(tmp_path, monkeypatch, path):
    file = tmp_path.joinpath(*path.split(".")[:-1]).with_suffix(".py")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(EVIL.format(file=tmp_path / "ran"))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="AEEXP_PACKAGES"):
        build({"_target_": path}, "code")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "path", ["venv.__main__.X", "aeexp.__main__.X", "aeexp.app.cli.launch", 3, None, "", "torch.nn"]
)
def test_a_name_that_is_no_class_of_a_component_imports_nothing(path):
    with pytest.raises(UserError, match="is no class of a component"):
        build({"_target_": path}, "code")


def test_a_run_within_a_package_of_the_user_stays_unexecuted(tmp_path, monkeypatch):
    run = tmp_path / "mine" / "runs" / "first" / "vae_digits"
    (run / "figures").mkdir(parents=True)
    for folder in (tmp_path / "mine", *(run / "figures").relative_to(tmp_path / "mine").parents):
        (tmp_path / "mine" / folder / "__init__.py").touch()
    (run / "figures" / "__init__.py").touch()
    for name in ("config.yaml", "status.json"):
        (run / name).touch()
    (run / "figures" / "evil.py").write_text(EVIL.format(file=tmp_path / "ran"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AEEXP_PACKAGES", "mine")
    with pytest.raises(UserError, match="never executed"):
        build({"_target_": "mine.runs.first.vae_digits.figures.evil.Code"}, "code")
    assert not (tmp_path / "ran").exists()


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("AEEXP_PACKAGES", "decaied")
    with pytest.raises(UserError, match="decaied"):
        folders()
