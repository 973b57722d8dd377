"""Early stopping: when it ends a training, what is kept of how long that was, and that a kill changes nothing."""

import pytest
import torch
from composing import configured

from aeexp.app import session
from aeexp.app.build import build
from aeexp.errors import UserError
from aeexp.files import write_json
from aeexp.runs.run import Run

WORDS = ("schedule=early_stopping", "schedule.early_stopping.patience=2", "trainer.max_epochs=5", "bottleneck=2")


@pytest.fixture
def train(tmp_path):
    def trained(*words):
        config = configured(*WORDS, *words)
        run = Run(tmp_path / "run")
        session.train(run, {**config, "evaluation": {}}, alone=False)
        return run.results["training"]

    return trained


def test_training_ends_when_the_loss_has_not_fallen_for_some_epochs(train, tmp_path):
    facts = train("schedule.early_stopping.min_delta=1000")
    assert facts["epochs"] == 3  # the first counts as a fall
    assert facts["seconds"] > 0
    last = session.load(tmp_path / "run" / "checkpoints" / "last.ckpt")
    write_json(tmp_path / "run" / "results.json", {})  # as of a run that was killed after its last epoch
    again = train("schedule.early_stopping.min_delta=1000")
    assert again == facts
    weights = session.load(tmp_path / "run" / "checkpoints" / "last.ckpt")["state_dict"]
    assert all(torch.equal(weights[name], value) for name, value in last["state_dict"].items())


def test_the_cap_ends_it_too(train):
    assert train("trainer.max_epochs=2")["epochs"] == 2


def test_what_learns_nothing_took_no_epoch(train):
    assert train("model=mean") == {**train("model=mean"), "epochs": 0, "best": {}}


def test_a_patience_of_no_epoch_is_refused():
    with pytest.raises(UserError, match="at least 1"):
        build(configured(*WORDS, "schedule.early_stopping.patience=0")["schedule"], "schedule")
