"""Every model with every data set's shape, every corruption, and a code of one unit: a step, or a sentence."""

from collections import Counter
from copy import deepcopy

import pytest
import torch
from composing import MODELS, assert_one_sentence, composed, options

from aeexp.app.components import make_model, make_task, trainable
from aeexp.errors import UserError
from aeexp.types import Batch

SHAPES = {
    "digits": (1, 8, 8),
    "mnist": (1, 28, 28),
    "usps": (1, 16, 16),
    "cifar10": (3, 32, 32),
    "faces": (1, 48, 48),
    "frames of odd size": (1, 27, 21),
    "ecg5000": (140,),
    "a waveform": (1024,),
}


def pairs(model):
    """(what, configuration, shape) for each pair; a part comes whole from its own option."""
    plain = composed(f"model={model}")
    for name, shape in SHAPES.items():
        yield name, plain, shape
    for corruption in options("corruption"):
        node = composed(f"corruption={corruption}")["corruption"]
        for shape in ((1, 8, 8), (3, 16, 16)):
            yield f"{corruption} {shape}", {**plain, "corruption": node}, shape
    yield "one unit", {**plain, "bottleneck": {"dim": 1}}, (1, 8, 8)


def one_step(config, shape):
    """True where a step was taken, False where the pair was refused in a sentence; anything else is raised."""
    torch.manual_seed(0)
    batch = Batch(torch.rand(4, *shape), torch.arange(4))
    try:
        task = make_task(config, make_model(config, shape))
        task.model.initialize([Batch(torch.rand(40, *shape), torch.arange(40) % 4)])
        loss = task.model.loss(batch)
    except UserError as refusal:
        assert_one_sentence(refusal)
        return False
    assert loss.total.isfinite()
    if trainable(task.model):
        loss.total.backward()
        task.configure_optimizers().step()
        assert all(parameter.isfinite().all() for parameter in task.model.parameters())
    return True


ONE_CORRUPTION = {"completion", "completion_vae"}  # whose task it is, so that they refuse all others


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_every_pair_trains_or_is_refused_in_one_sentence(model):
    found = Counter()
    for what, config, shape in pairs(model):
        taken = one_step(deepcopy(config), shape)
        found[taken] += 1
        assert taken or what != "mnist", "every model takes MNIST"
    print(f"{model}: {found[True]} train, {found[False]} are refused")
    assert found.total() == len(SHAPES) + 2 * len(options("corruption")) + 1
    assert found[True] > (5 if model in ONE_CORRUPTION else found[False])
