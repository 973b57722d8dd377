"""hydra/launcher=processes: a lost worker costs its run alone, Ctrl-C ends all, and no worker outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from aeexp.runs.run import find

pytestmark = pytest.mark.slow
SWEEP = ["-m", "model=vae", "bottleneck=2", "seed=0,1,2", "evaluation=[reconstruction]", "hydra/launcher=processes"]


def started(folder, epochs):
    command = [sys.executable, "train.py", *SWEEP, f"trainer.max_epochs={epochs}", "jobs=2", f"runs={folder}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's & has it ignored
    )


def until(found, seconds=90.0):
    """What `found` returns once it is true of something."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return value


def training(folder):
    """The processes that train a run with a checkpoint."""
    checkpoints = folder.rglob("last.ckpt")
    return [run.status["process"] for path in checkpoints if (run := find(path.parents[1])[0]).state == "running"]


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_killed_worker_costs_its_run_alone_which_is_tried_again(tmp_path):
    sweep = started(tmp_path, epochs=40)
    os.kill(until(lambda: training(tmp_path))[0], signal.SIGKILL)
    output, _ = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, output
    assert [run.state for run in find(tmp_path)] == ["completed"] * 3


@pytest.mark.parametrize(("end", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_no_worker_outlives_its_parent(tmp_path, end, code):
    sweep = started(tmp_path, epochs=100_000)
    workers = until(lambda: len(found := training(tmp_path)) == 2 and found)
    sweep.send_signal(end)
    sweep.communicate(timeout=60)
    assert sweep.returncode == code
    until(lambda: not any(alive(process) for process in workers), seconds=20.0)
    assert {run.state for run in find(tmp_path)} <= {"interrupted"}
