"""The objectives of benchmarks/by_hand.py, against which a step is timed, are those of the models."""

import pytest
import torch
from by_hand import BY_HAND
from models import MODELS, SHAPE, own, task_of
from scaling import commands, make

from aeexp.report.report import Report
from aeexp.types import Batch

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("model", sorted(BY_HAND))
def test_the_objective_by_hand_is_that_of_the_model(model):
    torch.manual_seed(0)
    built = task_of(model).model
    duplicate = own(built)
    x = torch.rand(20, *SHAPE, generator=torch.Generator().manual_seed(0))
    for seed in (1, 2):  # also after what the first one did to the buffers
        torch.manual_seed(seed)
        ours = built.loss(Batch(x, torch.arange(20) % 10)).total
        torch.manual_seed(seed)
        torch.testing.assert_close(BY_HAND[model](duplicate, x), ours)
    ours.backward()


def test_what_is_written_by_hand_is_a_model():
    assert set(BY_HAND) <= set(MODELS)
    assert len(BY_HAND) > 20


def test_the_sweep_that_is_timed_is_a_finished_one(program, tmp_path):
    make(20, tmp_path)
    again, *_ = commands(20, tmp_path).values()
    done = program(*again)
    assert "20 runs in" in done.stdout and "20 of them finished before" in done.stdout
    assert len({row["run"] for row in Report(tmp_path / "s").rows}) == 20
