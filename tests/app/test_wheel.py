"""The wheel in an empty folder, and a checkout that is on the path but not installed."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import venv
from contextlib import suppress
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from conftest import ROOT

import aeexp
from aeexp.__main__ import COMMANDS, main

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# imported where an extra is asked for
OPTIONAL = {"ray", "submitit", "optuna", "onnx", "onnxruntime", "pandas", "rdkit"}


def libraries():
    """The top-level modules that the package imports."""
    for file in [*(ROOT / "aeexp").rglob("*.py"), *(ROOT / "hydra_plugins").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            yield from (name.split(".")[0] for name in names)


def normal(requirement):
    return re.match(r"[\w.-]+", requirement).group().lower().replace("_", "-")


def test_the_dependencies_are_what_the_package_imports():
    """`lightning_fabric` is in the distribution pytorch-lightning."""
    imported = set(libraries()) - sys.stdlib_module_names - OPTIONAL - {"aeexp", "hydra_plugins"}
    distributions = packages_distributions()
    needed = {normal(distributions[name][0]) for name in imported}
    assert needed == {normal(text) for text in PROJECT["dependencies"]}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help(monkeypatch, capsys, command):
    monkeypatch.setattr(sys, "argv", ["aeexp", command, "--help"])
    with suppress(SystemExit):
        main()
    assert f"aeexp {command}" in capsys.readouterr().out


def test_there_is_one_version():
    assert PROJECT["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", aeexp.__version__)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh environment with the wheel alone, which sees the packages of this one: its folder of programs."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", ROOT]
    subprocess.run(build, check=True, capture_output=True, cwd=folder)
    (wheel,) = (folder / "dist").glob("aeexp-*.whl")
    venv.create(folder / "env", with_pip=False)
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    install = [sys.executable, "-m", "pip", "--python", folder / "env", "install", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True)
    shared = Path(pytest.__file__).parents[1]
    # appended after the wheel, and without the finders of editable installs, so that no checkout is seen
    (site / "shared.pth").write_text(f"{shared}\n")
    return folder / "env" / "bin"


@pytest.fixture
def empty(installed, tmp_path):
    """Runs a command of the installed wheel in an empty folder."""

    def run(program, *words):
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [installed / program, *words]
        return subprocess.run(
            command, cwd=tmp_path, env={**variables, "COLUMNS": "120"}, capture_output=True, text=True, timeout=600
        )

    return run


@pytest.mark.slow
def test_the_wheel_trains_measures_reports_and_exports_in_an_empty_folder(empty, tmp_path):
    assert empty("aeexp", "--version").stdout == f"aeexp {aeexp.__version__}\n"
    overview = empty("aeexp", "--help")
    assert "vq_vae" in overview.stdout
    assert "semi_supervised" in overview.stdout
    words = ["model=vae", "data=digits", "trainer.max_epochs=1", "bottleneck=7", "evaluation=[reconstruction]"]
    done = empty("aeexp", "train", *words)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs" / "single").glob("vae-digits-7-*")
    done = empty("aeexp", "evaluate", f"run={run}", "evaluation=[knn]")
    assert done.returncode == 0, done.stderr
    assert "knn/accuracy" in done.stdout
    done = empty("python", "-m", "aeexp", "report", "runs/single")
    assert done.returncode == 0, done.stderr
    assert "vae" in done.stdout
    done = empty("aeexp", "export", f"run={run}", "part=encoder")
    assert done.returncode == 0, done.stderr
    assert (run / "encoder.onnx").exists()
    program = f"""
import aeexp, numpy
from aeexp.sklearn import AutoencoderTransformer
assert "site-packages" in aeexp.__file__, aeexp.__file__
x = numpy.random.default_rng(0).random((20, 64), dtype=numpy.float32)
assert aeexp.load({str(run)!r}).encode(x.reshape(20, 1, 8, 8)).shape == (20, 7)
assert AutoencoderTransformer(bottleneck=3, max_epochs=1).fit_transform(x).shape == (20, 3)
"""
    done = empty("python", "-c", program)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_checkout_on_the_path_works_without_being_installed(tmp_path):
    """The metadata of the package are hidden, as on a machine where nothing of it was installed."""
    program = f"""
import importlib.metadata as metadata, sys
known = metadata.version
def version(name):
    if name in ("aeexp", "torchvision"):
        raise metadata.PackageNotFoundError(name)
    return known(name)
metadata.version = version
sys.argv = ["train.py", "model=pca", "bottleneck=2", "evaluation=[reconstruction]", "runs={tmp_path}"]
from aeexp.app.programs import train
train()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "reconstruction/squared_error" in done.stdout
