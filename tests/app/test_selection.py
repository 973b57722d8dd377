"""The phases of a sweep whose table chooses hyperparameters on validation data."""

import pytest

from aeexp.app.selection import phases
from aeexp.app.sweep import points, quoted
from aeexp.files import write_json


def sweep_of(tmp_path, *words):
    common = [f"runs={tmp_path}", "seed=0,1,2", *(words or ["model=sparse,vae"])]
    made = list(points("train", [quoted(word) for word in common]))
    choose = {"metric": "probe/validation", "better": "higher", "grid": {"sparse": {"code.weight": [0.1, 1]}}}
    for point in made:
        point.config["table"] = {"choose": choose}
    return made


def asked(batch):
    """(model, seed, weight) of each point."""
    found = [(p.config["choices"]["model"], p.config["seed"], p.config["code"].get("weight")) for p in batch]
    return sorted(found, key=str)


def measure(points, score):
    for point in points:
        entry = {"protocol": "probe", "settings": {}, "metrics": {"probe/validation": score(point)}, "figures": []}
        write_json(point.run.path / "results.json", {"training": {}, "protocols": [entry]})


@pytest.mark.parametrize("best", [0.1, 1])
def test_the_first_seed_explores_the_grid_and_the_others_confirm_what_it_chose(tmp_path, best):
    batches = phases(sweep_of(tmp_path))
    first = next(batches)
    assert asked(first) == [
        *(("sparse", 0, weight) for weight in (0.1, 1)),
        *(("vae", seed, None) for seed in (0, 1, 2)),
    ]
    measure(first, lambda point: float(point.config["code"].get("weight") == best))
    assert asked(next(batches)) == [("sparse", seed, best) for seed in (1, 2)]


def test_a_grid_whose_runs_all_failed_confirms_nothing(tmp_path):
    batches = phases(sweep_of(tmp_path))
    next(batches)
    assert next(batches) == []


def test_what_the_command_line_says_is_not_explored(tmp_path):
    (only,) = [batch for batch in phases(sweep_of(tmp_path, "code.weight=0.5", "model=sparse")) if batch]
    assert asked(only) == [("sparse", seed, 0.5) for seed in (0, 1, 2)]
