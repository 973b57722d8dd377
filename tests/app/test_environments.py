"""A full or read-only disk, a home that is not there, letters outside ASCII, no network: it works, or says a sentence.

Disks are made in a mount namespace of their own, where the machine lets a user have one.
"""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from aeexp.runs.run import find

pytestmark = pytest.mark.slow
SHORT = ["bottleneck=2", "evaluation=[reconstruction]", "trainer.max_epochs=2"]
NAMESPACES = shutil.which("unshare") and not subprocess.run(["unshare", "-rmn", "true"], capture_output=True).returncode
needs_namespaces = pytest.mark.skipif(not NAMESPACES, reason="unshare(1) makes no namespaces here")


def in_namespace(script, **environment):
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "AEEXP_JOBS": "1", "PYTHON": sys.executable, **environment}
    command = ["unshare", "-rmn", "sh", "-c", script]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=300)


@needs_namespaces
def test_a_disk_that_is_full_in_the_middle_of_a_sweep_costs_what_has_no_place(tmp_path):
    train = f"$PYTHON train.py model=vae,deep seed=0,1,2 {' '.join(SHORT)} runs={tmp_path} sweep=s"
    done = in_namespace(f"""
        mount -t tmpfs -o size=2500k tmpfs {tmp_path}
        {train} || echo "code $?"
        find {tmp_path} -name '*.part' | sed 's/^/left behind: /'
        mount -o remount,size=100m {tmp_path}
        {train} && echo all is done
    """)
    full, more = done.stdout.split("code 1")
    assert "[1/6]  completed" in full
    assert "left behind" not in more
    assert "all is done" in more
    assert "6 runs in" in more and " 0 of them finished" not in more
    errors = done.stderr
    assert "of 6 runs failed, the others are kept" in errors
    assert f"No space left on device: {tmp_path}" in errors
    assert "Traceback" not in full + errors


@needs_namespaces
def test_a_folder_that_is_full_or_read_only_is_refused_before_the_first_run(tmp_path):
    for change, reason in (
        ("head -c 200k /dev/zero > {}/fill", "No space left on device"),
        ("mount -o remount,ro {}", "Read-only file system"),
    ):
        done = in_namespace(f"""
            mount -t tmpfs -o size=100k tmpfs {tmp_path} && mkdir {tmp_path}/s
            {change.format(tmp_path)} 2> {os.devnull}
            $PYTHON train.py model=pca runs={tmp_path} sweep=s
        """)
        assert done.stderr == f"error: runs={tmp_path} cannot be written: {reason}; choose another with runs=\n"


@needs_namespaces
def test_a_finished_run_that_is_read_only_is_measured_by_nothing_and_reported(program, tmp_path):
    assert program("train.py", "model=pca", *SHORT, f"runs={tmp_path}").returncode == 0
    (run,) = find(tmp_path)
    done = in_namespace(f"""
        mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path}
        $PYTHON evaluate.py run={run.path} evaluation=[knn]
        $PYTHON -m aeexp report {tmp_path}
    """)
    assert f"Read-only file system: {run.path}" in done.stderr
    assert "Traceback" not in done.stderr
    assert "| pca" in done.stdout


@needs_namespaces
def test_a_checkout_that_is_read_only_and_no_network_are_enough(tmp_path):
    done = in_namespace(f"""
        mount --bind {ROOT} {ROOT} && mount -o remount,ro,bind {ROOT} && cd {ROOT}
        $PYTHON train.py model=pca {" ".join(SHORT)} runs={tmp_path}
    """)
    assert done.returncode == 0, done.stderr
    assert find(tmp_path)[0].state == "completed"


def test_a_strange_home_is_enough(tmp_path):
    """No HOME, no TMPDIR, the C locale, an ASCII terminal, a strict umask, and blanks and accents in the path."""
    folder = tmp_path / "Übungen zum Auto encoder"
    strange = {"TMPDIR": "/nonexistent", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"}
    kept = {name: value for name, value in os.environ.items() if name not in ("HOME", "LANG", "PYTHONUTF8")}
    train = [sys.executable, "train.py", "-m", "model=pca", "seed=0,1", *SHORT, f"runs='{folder}'", "jobs=1"]
    done = subprocess.run(train, cwd=ROOT, env=kept | strange, capture_output=True, text=True, umask=0o077, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "? 0." in done.stdout  # a deviation, on a terminal that has no ±
    assert folder.stat().st_mode & 0o077 == 0
    assert [run.state for run in find(folder)] == ["completed"] * 2


def test_a_path_that_is_no_text_is_refused_before_the_first_run(tmp_path):
    train = [sys.executable, "train.py", "model=pca", f"runs='{tmp_path}/".encode() + b"\xff'"]
    done = subprocess.run(train, cwd=ROOT, capture_output=True, timeout=300)
    assert done.returncode == 1
    assert b"has letters that are not UTF-8" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize("year", [1971, 2037])
def test_a_clock_that_moved_changes_no_table(program, tmp_path, year):
    assert program("train.py", "model=pca", *SHORT, f"runs={tmp_path}").returncode == 0
    shown = program("aeexp", "report", str(tmp_path)).stdout
    for path in tmp_path.rglob("*"):
        os.utime(path, ((year - 1970) * 365 * 86400,) * 2)
    assert program("aeexp", "report", str(tmp_path)).stdout == shown
    again = program("train.py", "model=pca", *SHORT, f"runs={tmp_path}")
    assert "finished before" in again.stdout
