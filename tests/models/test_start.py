"""A decoder starts at the data: before the first step its output is the mean training example, or near it."""

import pytest
import torch
from composing import MODELS, configured, made

from aeexp.app.components import make_data, make_model

STARTING = [["model=undercomplete"], ["model=vae"], ["model=conv"], ["model=lstm"], ["network=vit", "network.patch=4"]]
STARTING += [["model=unet"], ["model=stacked"], ["model=random"], ["model=vq_vae"], ["model=conditional_vae"]]


def means(words):
    """Of the digits: the mean example, and what the model gives before the first step, without and with the start."""
    config = configured(*words, "trainer.max_epochs=1")
    data = make_data(config)
    data.setup()
    mean = torch.stack([data.train.x.float().mean(0) * data.train.factor])
    given = []
    for batches in ([], data.train.batches(500)):
        torch.manual_seed(0)
        model = make_model(config, data.shape).eval()
        if batches:
            model.initialize(batches)
        with torch.no_grad():
            given.append(model.reconstruct(data.test[torch.arange(200)].x).mean(0, keepdim=True))
    return mean, *given


@pytest.mark.parametrize("words", STARTING, ids="-".join)
def test_the_first_output_is_near_the_mean_example(words):
    mean, before, after = means(words)
    shared = words[0] in ("model=conv", "model=unet")  # one bias for all pixels of a channel
    reachable = mean.mean((2, 3), keepdim=True).expand_as(mean) if shared else mean
    assert (after - mean).square().sum() < 0.7 * (before - mean).square().sum()
    assert words[0] == "network=vit" or (after - reachable).abs().mean() < 0.12  # its bias is of the mean patch


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "squared_error"])
def test_the_bias_is_the_parameter_of_the_mean_example(likelihood):
    task, data = made("model=undercomplete", f"likelihood={likelihood}")
    bias = task.model.decoder[-2].bias
    mean = data.train.x.float().mean(0).flatten() * data.train.factor
    expected = mean.clamp(1e-3, 1 - 1e-3) if likelihood == "bernoulli" else mean
    torch.testing.assert_close(task.model.likelihood.mean(bias[None])[0], expected, atol=1e-5, rtol=1e-5)


def test_the_initialization_of_a_source_that_starts_at_zero_does():
    task, _ = made("model=undercomplete", "initialization=normal")
    assert torch.equal(task.model.decoder[-2].bias, torch.zeros(64))


def test_topk_starts_with_the_transposed_decoder_and_subtracts_the_mean():
    task, data = made("model=topk", "bottleneck=32")
    model = task.model
    mean = data.train.x.float().mean(0) * data.train.factor
    assert torch.equal(model.code.project.weight, model.decoder[-2].weight.T)
    assert model.code.project(mean.flatten()).abs().max() < 1e-5


def test_every_model_starts_without_an_error():
    for model in MODELS:
        task, _ = made(f"model={model}")
        assert all(value.isfinite().all() for value in task.model.state_dict().values()), model
