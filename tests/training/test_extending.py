"""A run of more epochs goes on from a finished one of fewer, where nothing depends on how many there are."""

import pytest
from conftest import same

from aeexp.app import session
from aeexp.app.sweep import points
from aeexp.runs import events

pytestmark = pytest.mark.slow


def trained(folder, epochs, *words):
    said = [f"trainer.max_epochs={epochs}", f"runs={folder}", "evaluation=[reconstruction]", "model=denoising", *words]
    (point,) = points("train", said)
    with point.run.working(point.config):
        session.train(point.run, point.config)
    return point.run


def ends_as_one_that_was_left_alone(run, tmp_path, epochs, *words):
    alone = trained(tmp_path / "alone", epochs, *words)
    mine, its = (session.load(each.checkpoints / "last.ckpt") for each in (run, alone))
    same(mine["state_dict"], its["state_dict"], rtol=0, atol=0)
    assert run.metrics == alone.metrics
    assert run.results["training"]["epochs"] == alone.results["training"]["epochs"]
    curves = [events.curve(each.path, "val/loss") for each in (run, alone)]
    assert curves[0] == curves[1]
    return len(curves[0])


@pytest.mark.parametrize("words", [(), ("schedule=early_stopping",), ("schedule=plateau",)], ids=str)
def test_it_ends_where_one_that_was_left_alone_does(tmp_path, capsys, words):
    for epochs in (1, 3):
        trained(tmp_path / "runs", epochs, *words)
    run = trained(tmp_path / "runs", 5, *words)
    assert f"takes over what {trained(tmp_path / 'runs', 3, *words).path.name} has learned" in capsys.readouterr().out
    assert ends_as_one_that_was_left_alone(run, tmp_path, 5, *words) == 5


def test_a_training_that_stopped_early_does_not_go_on(tmp_path):
    words = ("schedule=early_stopping", "schedule.early_stopping.min_delta=1000", "schedule.early_stopping.patience=2")
    trained(tmp_path / "runs", 5, *words)
    run = trained(tmp_path / "runs", 9, *words)
    assert ends_as_one_that_was_left_alone(run, tmp_path, 9, *words) == 3


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (("schedule=cosine",), ("schedule=cosine",)),
        (("schedule=warm_up",), ("schedule=warm_up",)),
        (("seed=1",), ("seed=0",)),
        (("optimizer.lr=0.002",), ()),
        ((), ("force=true",)),
    ],
    ids=str,
)
def test_what_depends_on_the_length_or_is_another_run_starts_anew(tmp_path, capsys, before, now):
    trained(tmp_path / "runs", 1, *before)
    run = trained(tmp_path / "runs", 2, *now)
    assert "takes over" not in capsys.readouterr().out
    assert ends_as_one_that_was_left_alone(run, tmp_path, 2, *now) == 2
