"""Every command of the README runs as written there, in a folder of its own, on small data and for one epoch."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from conftest import ROOT

from aeexp.report.readme import PROTOCOLS, catalogue, filled, protocols
from aeexp.report.sweep import Report

README = (ROOT / "README.md").read_text()
LINES = "\n".join(re.findall(r"```\n(.*?)```", README, re.S)).splitlines()
COMMANDS = [line.split("  #")[0].strip() for line in LINES if re.match(r"(make|python|tensorboard) ", line)]
QUICK = {
    "make demo": [],
    "make test": [],
    "python train.py model=vae bottleneck=10": ["trainer.max_epochs=1"],
    "python train.py -m model=sparse,contractive,vae data=mnist,fashion bottleneck=1,10,32": [
        "trainer.max_epochs=1",
        "data.val=20",
        "evaluation=[reconstruction]",
    ],
    "python train.py table=code_size data=digits": [
        "trainer.max_epochs=1",
        "model=pca,vae",
        "bottleneck=2,10",
        "seed=0",
    ],
    "python evaluate.py run=runs/code_size evaluation=[all]": ["evaluation.likelihood.samples=20"],
    "python evaluate.py run=runs/code_size evaluation=[samples] evaluation.samples.classes=[3,8]": [],
    "python -m aeexp.api.export run=runs/code_size": [],
    "python -m aeexp.report runs/code_size --format latex": [],
    "tensorboard --logdir runs": [],
    "python train.py -m hydra/launcher=joblib model=vae,sparse seed=0,1": ["trainer.max_epochs=1"],
    "python train.py -m hydra/launcher=submitit_local hydra.sweeper.max_batch_size=2 model=vae seed=0,1": [
        "trainer.max_epochs=1",
        "sweep=submitit",
    ],
    "python train.py -m hydra/sweeper=optuna model=vae bottleneck=8,16 'optimizer.lr=tag(log,interval(1e-4,1e-2))'": [
        "trainer.max_epochs=1",
        "hydra.sweeper.n_trials=2",
        "sweep=search",
    ],
    "python train.py trainer=ddp model=vae": ["trainer.max_epochs=1"],
}
ELSEWHERE = {  # what needs a cluster, and the test of tests/app/test_launchers.py that runs it
    "python train.py -m hydra/launcher=submitit_slurm hydra.launcher.partition=gpu model=vae seed=0,1": "test_slurm_",
    "python train.py -m hydra/launcher=ray hydra.launcher.address=auto model=vae seed=0,1": "test_ray_",
}


def test_every_command_of_the_readme_is_run_by_a_test():
    assert sorted(COMMANDS) == sorted([*QUICK, *ELSEWHERE])
    launchers = (ROOT / "tests" / "app" / "test_launchers.py").read_text()
    assert [name for name in ELSEWHERE.values() if f"def {name}" not in launchers] == []


def test_the_readme_is_short_and_what_is_generated_in_it_is_up_to_date():
    assert len(README.splitlines()) <= 200
    assert filled(README) == README
    assert PROTOCOLS.read_text() == protocols()
    tables = list((ROOT / "results").glob("*/table.yaml"))
    assert tables
    for file in tables:
        assert (file.parent / "table.md").read_text() == Report(file.parent).form("markdown")
    assert len(catalogue().splitlines()) == 2 + len(list((ROOT / "configs" / "model").glob("*.yaml")))
    assert "|  |" not in catalogue()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


def run(place, idx_data, command, extra=()):
    words = [word if word != "python" else sys.executable for word in shlex.split(command)]
    words = [str(ROOT / word) if word.endswith(".py") else word for word in words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "AEEXP_DATA": str(idx_data)}
    return subprocess.run([*words, *extra], cwd=place, env=environment, capture_output=True, text=True, timeout=900)


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for command in QUICK if command.startswith("python")])
def test_the_command_works(place, idx_data, command):
    extra = QUICK[command]
    if "mnist" in command:  # small files of our own have checksums of their own
        extra = [*extra, f"data.source.md5={json.dumps(idx_data.md5)}".replace('"', "").replace(" ", "")]
    done = run(place, idx_data, command, extra)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if "-m model" in command:
        assert len(list((place / "runs" / "single").glob("*/results.json"))) == 18 + 1


@pytest.mark.slow
def test_make_demo_sweeps_the_embedded_digits(place, idx_data):
    dry_run = ["make", "--no-print-directory", "-n", "-o", ".venv/done", "demo"]
    printed = subprocess.run(dry_run, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    command = printed.replace("\\\n", " ").strip().replace(".venv/bin/python", "python")
    assert {"data=digits", "seed=0,1,2"} < set(shlex.split(command))
    quick = re.sub(r"max_epochs=\d+", "max_epochs=1", command).replace("seed=0,1,2", "seed=0").replace("2,8,32", "2")
    done = run(place, idx_data, quick)
    assert done.returncode == 0, done.stderr
    *_, table, csv, tex, runs, curves, _, front, _, page, board = done.stdout.strip().splitlines()
    assert [name for name in (table, csv, tex, runs, curves, front, page) if not (place / name).exists()] == []
    assert board == "TensorBoard: tensorboard --logdir runs"


@pytest.mark.slow
def test_tensorboard_shows_the_runs_side_by_side(place):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "runs", "--port", str(port), "--load_fast=false"]
    board = subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        names, end = [], time.monotonic() + 90
        while len(names) < 19 and time.monotonic() < end:
            time.sleep(1)
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/runs") as page:
                    names = json.load(page)
            except OSError:
                assert board.poll() is None
        assert len([name for name in names if name.startswith("single/")]) >= 19
    finally:
        board.kill()
        board.wait()
