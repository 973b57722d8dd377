"""Whole runs through the command line, as a user does them."""

import re
import subprocess
import sys

import pytest
import torch
from conftest import REAL_DATA, ROOT, killed_once_it_has_a_checkpoint
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aeexp.runs.run import find

pytestmark = pytest.mark.slow


def states(folder):
    return {run.path.name: run.status["state"] for run in find(folder)}


def weights(run):
    return torch.load(run.checkpoints / "last.ckpt", weights_only=True)["state_dict"]


def test_one_run_leaves_all_that_it_promises(program, tmp_path):
    done = program("train.py", "model=vae", "bottleneck=2", "trainer.max_epochs=2", f"runs={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(re.findall(r"^epoch \d/2  ", done.stdout, re.M)) == 2
    (run,) = find(tmp_path)
    assert run.status["state"] == "completed"
    assert {"best.ckpt", "last.ckpt"} == {file.name for file in run.checkpoints.iterdir()}
    assert (run.figures / "reconstructions.png").stat().st_size > 1000
    assert {"seed", "split", "versions", "commit", "peak_memory", "training"} <= set(run.results)
    assert f"linear_probe/accuracy_0.01 {run.metrics['linear_probe/accuracy_0.01']:>22.6g}".split() == next(
        line.split() for line in done.stdout.splitlines() if "linear_probe/accuracy_0.01 " in line
    )
    events = EventAccumulator(str(run.path)).Reload()
    curves = {"train/recon", "train/kl", "val/loss", "val/recon", "val/squared_error", "reconstruction/squared_error"}
    assert curves <= set(events.Tags()["scalars"])
    assert "hp_metric" not in events.Tags()["scalars"]
    assert len(events.Scalars("val/recon")) == 2
    assert {"reconstructions", "reconstruction/reconstructions"} <= set(events.Tags()["images"])
    assert len(events.Images("reconstructions")) == 2
    before = (run.path / "results.json").read_bytes()
    again = program("train.py", "model=vae", "bottleneck=2", "trainer.max_epochs=2", f"runs={tmp_path}")
    assert "finished before" in again.stdout
    assert (run.path / "results.json").read_bytes() == before


def test_a_killed_run_goes_on_and_ends_where_one_that_was_left_alone_does(program, tmp_path):
    words = ["model=vae", "corruption=gaussian", "trainer.max_epochs=15", "evaluation=[reconstruction]"]
    assert program("train.py", *words, f"runs={tmp_path}/alone").returncode == 0
    killed_once_it_has_a_checkpoint(words, tmp_path / "killed")
    (killed,) = find(tmp_path / "killed")
    assert not killed.trained
    done = program("train.py", *words, f"runs={tmp_path}/killed")
    assert done.returncode == 0, done.stderr
    assert "epoch 1/15" not in done.stdout
    (alone,) = find(tmp_path / "alone")
    assert killed.metrics == alone.metrics
    mine, theirs = weights(killed), weights(alone)
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_a_table_with_a_failed_row_finishes_the_others_and_says_so(program, tmp_path):
    rows = ["model=pca,undercomplete", "bottleneck=2,64", "seed=0,1", "trainer.max_epochs=1"]
    few = ["data.val=50", "data.test=1700"]  # 47 images are too few for 64 components
    place = [f"runs={tmp_path}", "evaluation=[reconstruction]"]
    done = program("train.py", "table=code_size", "data=digits", *rows, *few, *place)
    assert done.returncode == 1
    assert "2 of 8 runs failed" in done.stderr
    for run in (run for run in find(tmp_path) if run.state == "failed"):
        (line,) = (line for line in done.stderr.splitlines() if str(run.path) in line)
        assert f"seed={run.config['seed']}" in line
        assert "bottleneck.dim=64" in line
        assert line.endswith(f"(traceback: {run.path / 'status.json'})")
        assert "Traceback" in run.status["traceback"]
    assert "Traceback" not in done.stderr
    assert sorted(states(tmp_path).values()) == ["completed"] * 6 + ["failed"] * 2
    table = (tmp_path / "code_size" / "table.md").read_text()
    assert table in done.stdout
    assert "2 failed" in table
    assert re.search(r"\| undercomplete \| \**\d+\.\d+ ± \d+\.\d+ \(2\)", table)


def test_fail_fast_stops_at_the_first_failure_and_force_does_a_run_over(program, tmp_path):
    words = ["-m", "model=pca", "evaluation=[reconstruction]", "data.val=50", "data.test=1700", f"runs={tmp_path}"]
    words.append("sweep=first")
    done = program("train.py", *words, "bottleneck=2,64,8", "fail_fast=true")
    assert done.returncode == 1
    assert sorted(states(tmp_path).values()) == ["completed", "failed"]
    first = next(run for run in find(tmp_path) if run.state == "completed")
    metrics, status = first.metrics, first.status
    assert "1 of them finished before" in program("train.py", *words, "bottleneck=2").stdout
    assert first.status == status
    assert program("train.py", *words, "bottleneck=2", "force=true").returncode == 0
    assert first.status["process"] != status["process"]
    assert first.metrics == metrics


def test_a_sweep_is_measured_again_without_telling_it_what_it_was(program, tmp_path):
    quick = ["trainer.max_epochs=1", f"runs={tmp_path}", "evaluation=[reconstruction]"]
    assert program("train.py", "-m", "model=vae,pca", "bottleneck=2", "seed=3", *quick).returncode == 0
    first = {run.path: run.metrics for run in find(tmp_path)}
    protocols = ["evaluation=[linear_probe,fine_tune]", "evaluation.fine_tune.epochs=[1]"]
    done = program("evaluate.py", f"run={tmp_path}", *protocols)
    assert done.returncode == 0, done.stderr
    for run in find(tmp_path):
        assert run.metrics.items() > first[run.path].items()
        probe = next(entry for entry in run.results["protocols"] if entry["protocol"] == "linear_probe")
        assert probe["settings"]["seed"] == 3
    assert "fine_tune/accuracy" in done.stdout


def test_two_processes_of_one_sweep_share_the_work(tmp_path):
    words = ["-m", "seed=0,1,2", "trainer.max_epochs=2", "evaluation=[reconstruction]", f"runs={tmp_path}"]
    both = [subprocess.Popen([sys.executable, "train.py", *words], cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate() and process.returncode for process in both] == [0, 0]
    assert list(states(tmp_path).values()) == ["completed"] * 3
    assert all(len(run.results["protocols"]) == 1 for run in find(tmp_path))


@pytest.mark.realdata
@pytest.mark.skipif(not REAL_DATA.exists(), reason="the real data are not here")
def test_pca_of_thirty_components_has_the_published_error_on_mnist(program, tmp_path):
    """13.87 squared error per test image: Hinton and Salakhutdinov (2006), with all 60,000 images to fit on."""
    words = ["model=pca", "data=mnist", "bottleneck=30", f"data.root={REAL_DATA}", "evaluation=[reconstruction]"]
    done = program("train.py", *words, "data.val=1", f"runs={tmp_path}")
    assert done.returncode == 0, done.stderr
    (run,) = find(tmp_path)
    assert run.metrics["reconstruction/squared_error"] == pytest.approx(13.87, abs=0.02)
