"""A finished run in a notebook, and as ONNX."""

from functools import cache

import numpy as np
import pytest
import torch
from conftest import same
from test_contracts import configured as composed
from test_contracts import made

import aeexp
from aeexp.app.loaded import Loaded
from aeexp.runs.run import Run


@cache
def of_kind(kind, *words):
    """The untrained model of a kind on the digits, as a notebook has it."""
    task, data = made(f"model={kind}", "bottleneck=8", *words)
    return Loaded(task.model, data, torch.device("cpu")), data


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One epoch of a variational autoencoder, by the functions that train.py calls."""
    path = tmp_path_factory.mktemp("run") / "vae"
    config = composed("model=vae", "bottleneck=4", "trainer.max_epochs=1", "evaluation=[reconstruction]")
    from aeexp.app.session import train

    with Run(path).working(config):
        train(Run(path), config)
    return Run(path)


def test_three_lines_give_the_model_back(run):
    model = aeexp.load(run.path)
    x = np.random.default_rng(0).random((5, 1, 8, 8), dtype=np.float32)
    z, y = model.encode(x), model.reconstruct(x)
    assert (z.shape, y.shape, z.dtype, y.dtype) == ((5, 4), (5, 1, 8, 8), np.float32, np.float32)
    same(torch.tensor(model.decode(z)), torch.tensor(y))
    weights = torch.load(run.checkpoints / "best.ckpt", weights_only=True)["state_dict"]
    same(model.model.state_dict(), {name.removeprefix("model."): value for name, value in weights.items()})


def test_numbers_are_those_of_the_run(run):
    model = aeexp.load(str(run.path))
    _, data = of_kind("vae")
    x = data.test[torch.arange(len(data.test))].x
    error = (model.reconstruct(x) - x).square().flatten(1).sum(1).double().mean().item()
    assert error == pytest.approx(run.metrics["reconstruction/squared_error"])
