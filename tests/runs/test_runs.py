"""The run directory: identity, locks, states, files that are whole."""

import multiprocessing
import os
import platform
import re
import time
from copy import deepcopy

import pytest

from aeexp.errors import UserError
from aeexp.files import read_json, read_yaml, write, write_json
from aeexp.runs.identity import directory, identity
from aeexp.runs.related import duplicate
from aeexp.runs.run import Locked, Run, find

CONFIG = {
    "runs": "runs",
    "sweep": "single",
    "seed": 0,
    "force": False,
    "fail_fast": False,
    "data": {"name": "digits", "root": "data", "val": 0.1},
    "bottleneck": {"dim": 8},
    "optimizer": {"lr": 0.001},
    "evaluation": {"probe": {"C": 1.0}},
    "table": None,
    "choices": {"model": "vae", "data": "digits", "bottleneck": "8", "experiment": None},
    "overrides": {"model": "vae"},
}


def changed(path, value):
    config = deepcopy(CONFIG)
    node = config
    *parents, last = path.split(".")
    for name in parents:
        node = node[name]
    node[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value"), [("seed", 1), ("optimizer.lr", 0.1), ("bottleneck.dim", 9), ("data.val", 5)]
)
def test_what_decides_the_numbers_decides_the_directory(path, value):
    assert identity(changed(path, value)) != identity(CONFIG)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("runs", "x"),
        ("sweep", "x"),
        ("force", True),
        ("fail_fast", True),
        ("data.root", "x"),
        ("evaluation", {}),
        ("table", {"title": 1}),
    ],
)
def test_places_names_and_measurements_do_not_decide_it(path, value):
    assert identity(changed(path, value)) == identity(CONFIG)


def test_the_directory_can_be_read_by_a_person():
    path = directory(CONFIG)
    assert path.parts[:2] == ("runs", "single")
    assert path.name == f"vae-digits-8-s0-{identity(CONFIG)}"


def test_a_run_that_worked_is_completed_and_one_that_raised_tells_why(tmp_path):
    run = Run(tmp_path / "run")
    with run.working(CONFIG):
        assert run.status["state"] == "running"
    assert run.status["state"] == "completed"
    assert run.config == CONFIG
    with pytest.raises(ZeroDivisionError), run.working(CONFIG):
        raise ZeroDivisionError("no\nluck")
    assert run.status["state"] == "failed"
    assert run.status["error"] == "ZeroDivisionError: no luck"
    assert "Traceback" in run.status["traceback"]
    with pytest.raises(KeyboardInterrupt), run.working(CONFIG):
        raise KeyboardInterrupt
    assert run.status["state"] == run.state == "interrupted"


def test_the_status_says_where_and_with_what_it_ran(tmp_path):
    run = Run(tmp_path / "run")
    with run.working(CONFIG):
        time.sleep(0.05)
    status = run.status
    assert status["host"] == platform.node()
    assert status["process"] == os.getpid()
    assert status["versions"]["torch"].split(".") >= ["2", "12"]
    assert status["commit"] is None or re.fullmatch("[0-9a-f]{40}", status["commit"])
    assert status["dirty"] in (None, False, True)
    assert 0.05 <= status["duration"] < 60
    assert status["peak_memory"] > 10_000_000
    assert status["started"] <= status["ended"]


def test_a_directory_of_another_configuration_is_never_touched(tmp_path):
    run = Run(tmp_path / "run")
    with run.working(CONFIG):
        run.mark_trained({})
    before = {file: file.read_bytes() for file in run.path.iterdir() if file.is_file()}
    other = changed("optimizer.lr", 0.1)
    with pytest.raises(UserError, match="another configuration"), run.working({**other, "force": True}):
        pass
    assert {file: file.read_bytes() for file in run.path.iterdir() if file.is_file()} == before
    with run.working(changed("data.root", "elsewhere")):  # which decides nothing
        assert run.trained


def test_force_does_it_over_from_nothing(tmp_path):
    run = Run(tmp_path / "run")
    with run.working(CONFIG):
        write(run.checkpoints / "last.ckpt", b"weights")
        run.mark_trained({})
    with run.working(changed("force", True)):
        assert not run.trained
        assert not run.checkpoints.exists()
    assert run.state == "completed"


def hold(path, held, done):
    with Run(path).working(CONFIG):
        held.set()
        done.wait(30)


def test_two_processes_never_work_on_one_run_and_a_dead_one_is_not_in_the_way(tmp_path):
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "run", held, done))
    other.start()
    assert held.wait(60)
    with pytest.raises(Locked), Run(tmp_path / "run").working(CONFIG):
        pass
    other.kill()
    other.join()
    assert Run(tmp_path / "run").status["state"] == "running"
    assert Run(tmp_path / "run").state == "interrupted"  # it could not write that itself
    with Run(tmp_path / "run").working(CONFIG):
        pass
    assert Run(tmp_path / "run").status["state"] == "completed"


def test_where_the_data_lie_is_no_setting_of_a_protocol(tmp_path):
    run = Run(tmp_path)
    run.mark_trained({"parameters": 3})

    def settings(root, seed=0):
        return {"seed": seed, "against": {"mnist": {"root": root, "seed": seed}}}

    run.add({"protocol": "anomaly", "settings": settings("here"), "metrics": {"anomaly/auroc": 0.9}}, {"seed": 0})
    assert run.protocol("anomaly", settings("there"))["metrics"] == {"anomaly/auroc": 0.9}
    assert run.protocol("anomaly", settings("here", seed=1)) is None


def test_numbers_made_with_other_settings_stay_beside_the_new_ones(tmp_path):
    run = Run(tmp_path)
    run.mark_trained({"parameters": 3})
    for C in (1.0, 10.0):
        run.add({"protocol": "probe", "settings": {"C": C}, "metrics": {"probe/accuracy": C / 100}}, {"seed": 0})
    assert run.protocol("probe", {"C": 1.0})["metrics"] == {"probe/accuracy": 0.01}
    assert run.metrics == {"probe/accuracy": 0.1}
    assert run.finished({"probe": {"C": 10.0}})
    assert not run.finished({"probe": {"C": 2.0}})
    assert run.results["training"] == {"parameters": 3}


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    with pytest.raises(TypeError):
        write(tmp_path / "a.json", None)
    assert read_json(tmp_path / "a.json") == {"a": 1}


def test_what_is_not_there_is_empty(tmp_path):
    assert read_json(tmp_path / "none.json") == {}
    assert read_yaml(tmp_path / "none.yaml") == {}
    assert find(tmp_path) == []


def test_a_row_that_is_only_measured_otherwise_takes_the_weights_of_its_twin(tmp_path):
    first, second, other = (
        Run(tmp_path / name) for name in ("auto_1-12345678", "auto_fix-12345678", "auto_2-87654321")
    )
    assert duplicate(second) is None
    write(first.checkpoints / "last.ckpt", b"weights")
    assert duplicate(second) is None  # not trained to its end
    first.mark_trained({})
    assert duplicate(other) is None
    second.copy_weights(duplicate(second))
    assert (second.checkpoints / "last.ckpt").read_bytes() == b"weights"
