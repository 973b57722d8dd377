"""Scalings, fitted to training examples alone, and a model of scaled examples in the data's own units."""

from math import log

import numpy as np
import pytest
import torch
from composing import MODELS, assert_one_sentence, configured, options
from conftest import same
from small_models import SHAPE

from aeexp import scalings
from aeexp.app.check import check
from aeexp.app.components import make_data, make_model
from aeexp.codes.gaussian import Gaussian as GaussianCode
from aeexp.corruptions import Gaussian as GaussianNoise
from aeexp.corruptions import Uncorrupted
from aeexp.errors import UserError
from aeexp.initializations import Torch
from aeexp.likelihoods import Gaussian
from aeexp.models.base import Components
from aeexp.models.regularized import Regularized
from aeexp.models.scaled import Scaled
from aeexp.networks.base import output_layer
from aeexp.networks.mlp import MLP
from aeexp.types import Batch

exact = pytest.mark.usefixtures("repeatable_and_in_double_precision")
SCALINGS = {"min_max": scalings.MinMax, "standard": scalings.Standard, "mean_norm": scalings.MeanNorm}


def batches(n=50, parts=7, shape=SHAPE):
    """Features of several units, the last of which is constant."""
    x = 10 + torch.randn(n, *shape) * torch.arange(1, 9).view(shape)
    x[:, -1, -1, -1] = 5.0
    return x, [Batch(some, torch.zeros(len(some))) for some in x.split(parts)]


def scaled(x, fitted):
    shift, factor = fitted
    return (x - shift) * factor


@exact
def test_min_max_has_one_range():
    x, parts = batches()
    y = scaled(x, scalings.MinMax().fit(parts))
    same(torch.stack([y.min(), y.max()]), torch.tensor([0.0, 1.0]))
    same((y[0] - y[1]) * (x.max() - x.min()), x[0] - x[1])


@exact
def test_standard_has_mean_0_and_deviation_1_of_each_feature_and_leaves_a_constant():
    x, parts = batches()
    y = scaled(x, scalings.Standard().fit(parts)).flatten(1)
    same(y.mean(0), torch.zeros(8))
    same(y.std(0, correction=0), torch.tensor([1.0] * 7 + [0.0]))


@exact
def test_mean_norm_has_mean_0_and_a_mean_squared_norm_of_d_by_one_factor():
    x, parts = batches()
    shift, factor = scalings.MeanNorm().fit(parts)
    y = scaled(x, (shift, factor)).flatten(1)
    same(y.mean(0), torch.zeros(8))
    same(y.square().sum(1).mean(), torch.tensor(8.0))
    assert factor.dim() == 0


@exact
def test_a_large_offset_costs_no_digits():
    x = torch.randn(1000, 3)
    parts = [Batch(some + 1e6, torch.zeros(1)) for some in x.split(10)]
    _, factor = scalings.Standard().fit(parts)
    same(factor, 1 / x.std(0, correction=0), rtol=1e-6, atol=0)


@exact
@pytest.mark.parametrize("name", SCALINGS)
def test_data_of_one_value_are_not_divided_by_nothing(name):
    shift, factor = SCALINGS[name]().fit([Batch(torch.full((4, 3), 2.0), torch.zeros(4))])
    same(scaled(torch.full((3,), 2.0), (shift, factor)), torch.zeros(3))


def pair(scaling, **parts):
    """A model of scaled examples, and the same model to which scaled examples are given."""
    said = {"likelihood": Gaussian(), "corruption": Uncorrupted(), "initialization": Torch(), **parts}
    said |= {"code": lambda **sizes: GaussianCode(beta=1.0, **sizes), "network": MLP([5], "Tanh")}
    components = Components(shape=SHAPE, dim=3, **said)
    inner = Regularized(components)
    x, parts = batches()
    model = Scaled(inner, scaling, components)
    model.initialize(parts)
    return model, inner, x, scaled(x, scaling.fit(parts))


@exact
@pytest.mark.parametrize("name", SCALINGS)
def test_the_model_is_that_of_scaled_examples_and_answers_in_the_units_of_the_data(name):
    model, inner, x, y = pair(SCALINGS[name]())
    shift, factor = model.shift, model.factor
    same(model.encode(x).mean, inner.encode(y).mean)
    same(model.reconstruct(x), inner.reconstruct(y) / factor + shift)
    same(model.decode(torch.ones(2, 3)), inner.decode(torch.ones(2, 3)) / factor + shift)
    for objective in ("loss", "clean_loss"):
        torch.manual_seed(0)
        ours = getattr(model, objective)(Batch(x, x))
        torch.manual_seed(0)
        same(ours.total, getattr(inner, objective)(Batch(y, y)).total)


@exact
def test_the_decoder_starts_at_the_mean_example_in_its_own_units():
    _, inner, _, y = pair(scalings.MinMax())
    same(output_layer(inner.decoder)[1].bias, y.mean(0).flatten())


@exact
def test_the_density_of_an_example_is_that_of_the_scaled_one_by_the_change_of_variables():
    model, inner, x, y = pair(scalings.MeanNorm())
    z = torch.randn(len(x), 3)
    same(model.log_likelihood(x, z), inner.log_likelihood(y, z) + 8 * log(model.factor.flatten()[0].item()))
    same(model.posterior(x).mu, inner.posterior(y).mu)


@exact
def test_a_schedule_finds_the_number_and_the_stage_of_the_inner_model():
    model, inner, x, _ = pair(scalings.Standard())
    assert model.code is inner.code and model.corruption is inner.corruption and model.prior is inner.prior
    model.stage = 2
    model.loss(Batch(x, x))
    assert inner.stage == 2
    with pytest.raises(AttributeError, match="nothing"):
        model.nothing  # noqa: B018


@pytest.mark.slow
@pytest.mark.parametrize("option", sorted({*options("scaling")} - {"none"}))
@pytest.mark.parametrize("name", MODELS)
def test_every_model_trains_on_scaled_data_or_is_refused(name, option):
    corruption = "quadrants" if "completion" in name else "none"
    words = [f"model={name}", f"scaling={option}", "likelihood=gaussian", f"corruption={corruption}", "bottleneck=8"]
    config = configured(*words)
    data = make_data(config)
    data.setup()
    try:
        model = make_model(config, data.shape, data.scaling)
    except UserError as refusal:
        assert_one_sentence(refusal)
        assert name in {"diffusion", "vamp_prior"} and option != "min_max"
        return
    model.initialize(data.train.batches(500))
    batch = data.train[torch.arange(12)]
    assert model.loss(batch).total.isfinite()
    assert model.reconstruct(batch.x).shape == batch.x.shape


@pytest.mark.parametrize(
    "words",
    [
        ["scaling=standard"],
        ["scaling=mean_norm", "likelihood=squared_error", "likelihood.link=Sigmoid"],
        ["scaling=standard", "likelihood=gaussian", "corruption=gaussian"],
        ["scaling=standard", "likelihood=gaussian", "corruption=salt_and_pepper"],
        ["scaling=standard", "likelihood=gaussian", "data.scale=255"],
    ],
    ids="-".join,
)
def test_what_is_of_numbers_in_0_1_is_refused_with_others(words):
    with pytest.raises(UserError) as refusal:
        check(configured(*words))
    assert_one_sentence(refusal.value)


def test_unclipped_noise_is_of_any_numbers():
    assert GaussianNoise(0.5, 1.0, clip=True).bounded and not GaussianNoise(0.5, 1.0, clip=False).bounded
    check(configured("scaling=standard", "likelihood=gaussian", "corruption=gaussian", "corruption.clip=false"))


def test_only_training_examples_are_fitted_to():
    config = configured("scaling=standard", "likelihood=gaussian", "seed=3")
    data = make_data(config)
    data.setup()
    model = make_model(config, data.shape, data.scaling)
    model.initialize(data.train.batches(100))
    x, unseen = (torch.cat([batch.x for batch in part.batches(100)]) for part in (data.train, data.test))
    same(model.shift, x.mean(0), rtol=1e-4, atol=1e-5)
    assert (model.shift - torch.cat([x, unseen]).mean(0)).abs().max() > 1e-3


@pytest.mark.slow
def test_real_numbers_are_trained_on_and_answered_in_their_own_units(program, tmp_path):
    import aeexp

    x = 100 + 30 * np.random.default_rng(0).standard_normal((300, 2)) @ np.ones((2, 6)) + np.arange(6)
    np.save(tmp_path / "x.npy", x)
    words = ["data=array", "data.source.x=x.npy", f"data.root={tmp_path}", "data.test=0.2", f"runs={tmp_path}/runs"]
    words += ["bottleneck=1", "evaluation=[reconstruction,samples]", "likelihood=gaussian", "trainer.max_epochs=2"]
    refused = program("train.py", *words)
    assert refused.returncode != 0 and "scaling=standard" in refused.stderr and "Traceback" not in refused.stderr
    done = program("train.py", "model=pca", "scaling=standard", *words)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs" / "single").glob("pca-*scaling_standard*")
    np.testing.assert_allclose(aeexp.load(run).reconstruct(x), x, atol=1e-3)
    assert "psnr" not in done.stdout and "squared_error" in done.stdout
