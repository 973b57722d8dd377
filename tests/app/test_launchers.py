"""The same sweep under every launcher, a search that is killed, and a training of two processes."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from conftest import ROOT

from aeexp.app import words
from aeexp.errors import UserError
from aeexp.runs.run import find

pytestmark = pytest.mark.slow
SWEEP = ["-m", "model=vae,pca", "bottleneck=2", "seed=0,1", "trainer.max_epochs=15", "evaluation=[reconstruction]"]


def tidy(folder):
    """The numbers of a sweep, but for the seconds it took."""
    (table,) = folder.glob("*/runs.csv")
    return sorted(line for line in table.read_text().splitlines() if ",training/seconds," not in line)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The sweep one after another, in one process."""
    folder = tmp_path_factory.mktemp("alone")
    subprocess.run([sys.executable, "train.py", *SWEEP, f"runs={folder}"], cwd=ROOT, check=True, capture_output=True)
    assert len(tidy(folder)) > 4
    return folder


@pytest.mark.parametrize("launcher", ["processes", "joblib"])
def test_processes_on_this_machine_make_the_same_table(program, tmp_path, alone, launcher):
    words = [f"hydra/launcher={launcher}", "hydra.sweeper.max_batch_size=2", "jobs=2", f"runs={tmp_path}"]
    done = program("train.py", *SWEEP, *words)
    assert done.returncode == 0, done.stderr
    assert tidy(tmp_path) == tidy(alone)


def test_slurms_jobs_run_as_processes_of_this_machine_to_try_it(program, tmp_path, alone):
    words = ["hydra/launcher=slurm", "hydra.launcher.cluster=local", f"runs={tmp_path}"]
    done = program("train.py", *SWEEP, *words)
    assert done.returncode == 0, done.stderr
    assert tidy(tmp_path) == tidy(alone)


@pytest.fixture
def slurm(tmp_path):
    """A stand-in for the cluster takes what submitit submits; the tasks are real. Its folder, and what sbatch takes."""
    (tmp_path / "bin").mkdir()
    for name in ("sbatch", "srun", "scontrol", "sacct"):
        (tmp_path / "bin" / name).write_text(f"#!{sys.executable}\n" + (ROOT / "tests" / "slurm.py").read_text())
        (tmp_path / "bin" / name).chmod(0o755)
    yield tmp_path / "bin"
    for task in (tmp_path / "bin").glob("task_*"):
        with suppress(ProcessLookupError):
            os.killpg(int(task.read_text().split()[0]), signal.SIGKILL)


def on_slurm(slurm, *words):
    command = [sys.executable, "train.py", *SWEEP, "hydra/launcher=slurm", *words, f"runs={slurm.parent}"]
    environment = {**os.environ, "PATH": f"{slurm}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_slurm_runs_the_sweep_as_a_job_array(slurm, alone):
    running = on_slurm(slurm, "hydra.launcher.sbatch.slurm_partition=gpu")
    _, errors = running.communicate(timeout=300)
    assert running.returncode == 0, errors
    (script,) = slurm.parent.rglob("*submission.sh")
    assert "--partition=gpu" in script.read_text()
    assert tidy(slurm.parent) == tidy(alone)
    assert "srun" not in errors  # Lightning's advice


def begun(slurm):
    """The runs with a checkpoint, which are being trained."""
    return [run for run in find(slurm.parent) if (run.checkpoints / "last.ckpt").exists() and run.state == "running"]


def test_slurm_queues_a_run_again_that_reaches_its_time_limit(slurm, alone):
    running = on_slurm(slurm)
    while not (runs := begun(slurm)):
        assert running.poll() is None, running.communicate()
        time.sleep(0.02)
    os.kill(runs[0].status["process"], signal.SIGUSR2)  # as SLURM does, some time before the limit
    _, errors = running.communicate(timeout=300)
    assert running.returncode == 0, errors
    log = (slurm / "log").read_text()
    assert log.count("Requeued job") == log.count("goes on from epoch") == 1
    assert tidy(slurm.parent) == tidy(alone)


def test_a_job_of_slurm_that_is_cancelled_costs_its_run_alone(slurm, alone):
    running = on_slurm(slurm)
    while not (runs := begun(slurm)):
        assert running.poll() is None, running.communicate()
        time.sleep(0.02)
    os.kill(runs[0].status["process"], signal.SIGKILL)
    output, errors = running.communicate(timeout=300)
    assert running.returncode == 1
    assert "1 of " in errors and "failed, the others are kept" in errors
    assert "is cancelled: the same command goes on" in errors
    assert "Traceback" not in errors + output
    again = on_slurm(slurm)
    _, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    assert tidy(slurm.parent) == tidy(alone)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.2", port)) == 0


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def cluster():
    """A Ray cluster of two nodes on loopback addresses, the head and the one that is killed."""
    ray, port = Path(sys.executable).with_name("ray"), free_port()
    common = ["--disable-usage-stats", "--block", "--num-cpus=1"]
    nodes = []

    def start(*words):
        command = [ray, "start", *words, *common]
        nodes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0))

    start("--head", "--node-ip-address=127.0.0.2", f"--port={port}", "--include-dashboard=false")
    while not answers(port):
        assert nodes[0].poll() is None
        time.sleep(0.2)
    start(f"--address=127.0.0.2:{port}", "--node-ip-address=127.0.0.3")
    yield f"127.0.0.2:{port}", nodes
    for node in nodes:
        kill(node)


def kill(node):
    """The node with all that it started."""
    if node.poll() is None:
        os.killpg(node.pid, signal.SIGKILL)
    node.wait()


def test_ray_goes_on_when_a_node_dies_in_the_middle_of_a_sweep(tmp_path, alone, cluster):
    address, nodes = cluster
    command = [sys.executable, "train.py", *SWEEP, f"runs={tmp_path}"]
    command += ["hydra/launcher=ray", f"hydra.launcher.address={address}"]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while [run.state for run in find(tmp_path)] != ["running", "running"]:  # both nodes are at work
        assert running.poll() is None, running.communicate()
        time.sleep(0.02)
    kill(nodes[1])
    output, errors = running.communicate(timeout=300)
    assert running.returncode == 0, output + errors
    assert tidy(tmp_path) == tidy(alone)


def test_a_search_goes_on_after_a_kill_without_a_lost_or_a_repeated_trial(program, tmp_path):
    space = ["optimizer.lr=tag(log,interval(1e-4,1e-1))", "bottleneck=2,8"]
    words = ["-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=6", *space, "trainer.max_epochs=2"]
    words += ["evaluation=[reconstruction]", f"runs={tmp_path}"]
    running = subprocess.Popen([sys.executable, "train.py", *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    while len(find(tmp_path)) < 3:
        assert running.poll() is None
        time.sleep(0.02)
    running.kill()
    running.wait()
    killed = {run.path for run in find(tmp_path)}
    done = program("train.py", *words)
    assert done.returncode == 0, done.stderr
    runs = find(tmp_path)
    assert killed < {run.path for run in runs}
    assert len(runs) == 6
    assert {run.state for run in runs} == {"completed"}
    assert len({run.config["optimizer"]["lr"] for run in runs}) == 6
    best = min(runs, key=lambda run: run.numbers["val/loss"])
    assert f"best of 6 trials: val/loss {best.numbers['val/loss']:.6g}" in done.stdout
    again = program("train.py", *words)
    assert len(find(tmp_path)) == 6
    assert "best of 6 trials" in again.stdout


def test_a_sweep_that_is_killed_at_random_instants_ends_as_one_left_alone():
    script = [sys.executable, "benchmarks/survive.py", "--kills", "3", "--seeds", "1"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\| runs +\| +6 \|", done.stdout)


def test_two_processes_train_as_one_with_batches_of_twice_the_size(program, tmp_path):
    """1280 examples: process 0 takes batches 0, 2, ..., process 1 takes 1, 3, ...; their gradients are averaged."""
    words = ["data.val=320", "data.test=197", "trainer.max_epochs=2", "evaluation=[reconstruction]"]
    for trainer, size in (("ddp", 64), ("default", 128)):
        place = [f"trainer={trainer}", f"data.batch_size={size}", f"runs={tmp_path}/{trainer}"]
        done = program("train.py", *words, *place)
        assert done.returncode == 0, done.stderr
    (two,), (one,) = find(tmp_path / "ddp"), find(tmp_path / "default")
    mine, theirs = (torch.load(run.checkpoints / "last.ckpt", weights_only=True)["state_dict"] for run in (two, one))
    for name in theirs:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-4, atol=1e-5)
    assert two.numbers["val/loss"] == pytest.approx(one.numbers["val/loss"], rel=1e-4)


def test_the_gpu_is_used_where_there_is_one_and_missed_in_a_sentence(program, tmp_path):
    done = program("train.py", "trainer=gpu", "model=vae", "trainer.max_epochs=1", f"runs={tmp_path}")
    if torch.cuda.is_available():
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1
        assert re.fullmatch(r"error: trainer: .*gpu.*\n", done.stderr)
        assert not find(tmp_path)


@pytest.mark.parametrize(("group", "option"), [("launcher", "joblib"), ("launcher", "ray"), ("sweeper", "optuna")])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch, group, option):
    monkeypatch.setattr(words, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf"pip install 'aeexp\[{option}\]'"):
        words.check_options(f"hydra/{group}={option}")


def test_a_misspelt_launcher_is_refused(program):
    done = program("train.py", "-m", "hydra/launcher=jobli", "seed=0,1")
    assert done.returncode == 1
    assert "did you mean joblib?" in done.stderr
