"""The training objective against its own terms, the ELBO against log p(x), and anomaly scores by the ELBO."""

from types import SimpleNamespace

import pytest
import torch
from composing import made
from labelled_oracle import Oracle, context, corner
from test_likelihood import linear_gaussian

from aeexp.context.anomaly_scores import negative_elbo
from aeexp.context.base import EvaluationContext
from aeexp.data.examples import Examples
from aeexp.errors import UserError
from aeexp.evaluation.objective import Objective
from aeexp.types import Batch

pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")


def part(x):
    examples = Examples(x, torch.full((len(x),), -1), 1.0)
    examples.batch = Batch  # in double precision
    return examples


def measured(model, x, **settings):
    data = SimpleNamespace(test=part(x), train=part(x[:20]), shape=tuple(x.shape[1:]))
    return Objective(**{"examples": 1000, "seed": 0} | settings)(EvaluationContext(model, data, None, "vae")).metrics


def test_with_the_exact_posterior_the_elbo_is_log_p():
    model, x, exact = linear_gaussian(0.3)
    metrics = measured(model, x)
    assert metrics["elbo_test"] == pytest.approx(exact.mean().item(), rel=1e-9)
    assert metrics["elbo_train"] == pytest.approx(exact[:20].mean().item(), rel=1e-9)


def test_the_elbo_is_the_reconstruction_less_the_divergence_and_the_objective_is_its_terms():
    model, x, _ = linear_gaussian(0.3)
    model.code.beta = 4.0
    metrics = measured(model, x)
    assert metrics["kl_test"] == pytest.approx(4 * metrics["kl_nats_test"])
    assert metrics["total_test"] == pytest.approx(metrics["recon_test"] + metrics["kl_test"])
    assert metrics["elbo_test"] == pytest.approx(-metrics["nll_sampled_code_test"] - metrics["kl_nats_test"], abs=0.3)
    assert metrics["nll_mean_code_test"] < metrics["nll_sampled_code_test"]
    mean = model.likelihood.nll(model.decoder(model.encode(x).mean), x).mean().item()
    assert metrics["nll_mean_code_test"] == pytest.approx(mean)  # this likelihood leaves no constant out


def test_recon_per_pixel_is_the_mean_binary_cross_entropy():
    model = made("model=undercomplete", "bottleneck=3", "likelihood=bernoulli")[0].model.double().eval()
    x = torch.rand(30, 1, 8, 8)
    metrics = measured(model, x)
    expected = torch.nn.functional.binary_cross_entropy(model.reconstruct(x), x).item()
    assert metrics["recon_per_pixel_test"] == pytest.approx(expected)
    assert "elbo_test" not in metrics
    assert metrics["nll_mean_code_test"] == pytest.approx(metrics["recon_test"])


def test_examples_are_drawn_and_the_generator_is_left_alone():
    torch.set_default_dtype(torch.float32)
    tested = context(Oracle(corner, lambda x: 0 * x))
    state = torch.get_rng_state()
    few, all_of_them = (Objective(n, 0)(tested).metrics["recon_test"] for n in (5, 1000))
    assert torch.equal(torch.get_rng_state(), state)
    x = tested.data.test[torch.arange(300)].x
    assert all_of_them == pytest.approx(x.square().flatten(1).sum(1).double().mean().item())
    assert few != all_of_them
    with pytest.raises(UserError, match="choose"):
        Objective(0, 0)


def test_the_negative_elbo_of_each_example_is_its_improbability_under_the_exact_posterior():
    model, x, exact = linear_gaussian(0.3)
    score = negative_elbo(EvaluationContext(model, SimpleNamespace(), None, "vae"), part(x), samples=2, seed=0)
    torch.testing.assert_close(score, -exact)
