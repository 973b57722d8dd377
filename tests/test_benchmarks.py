"""What a step is timed against is the same mathematics."""

import sys

import pytest
import torch
from conftest import ROOT

sys.path.append(str(ROOT / "benchmarks"))
from by_hand import BY_HAND
from kinds import KINDS, SHAPE, own, task_of

from aeexp.types import Batch

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", sorted(BY_HAND))
def test_the_objective_by_hand_is_ours(kind):
    torch.manual_seed(0)
    model = task_of(kind).model
    twin = own(model)
    x = torch.rand(20, *SHAPE, generator=torch.Generator().manual_seed(0))
    for seed in (1, 2):  # also after what the first one did to the buffers
        torch.manual_seed(seed)
        ours = model.loss(Batch(x, torch.arange(20) % 10)).total
        torch.manual_seed(seed)
        torch.testing.assert_close(BY_HAND[kind](twin, x), ours)
    ours.backward()


def test_every_kind_that_learns_has_a_twin():
    assert set(KINDS) - set(BY_HAND) == {"pca", "pixels", "random"}
