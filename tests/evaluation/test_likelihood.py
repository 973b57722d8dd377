"""The likelihood against probabilistic principal components, whose log p(x) has a closed form, and torch's own."""

from math import log, pi
from types import SimpleNamespace

import pytest
import torch
from composing import assert_one_sentence, made
from conftest import same
from torch.distributions import Bernoulli, Independent, MultivariateNormal, Normal

from aeexp.context.base import EvaluationContext
from aeexp.data.examples import Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.likelihood import Likelihood
from aeexp.likelihoods import Gaussian, SquaredError
from aeexp.types import Batch

D, P = 2, 64  # of the code, of the digits' 8x8 pixels
pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")


def protocol(**settings):
    return Likelihood(**{"samples": 50, "examples": 40, "chunk": 1000, "seed": 0} | settings)


def linear_gaussian(sigma, *words):
    """p(x) = N(m, W W^T + sigma^2 I), with the exact posterior for q: its covariance is diagonal, as W^T W is.

    Tipping and Bishop (1999), Probabilistic principal component analysis, eq. 6: q = N(M^-1 W^T (x - m), sigma^2 M^-1)
    with M = W^T W + sigma^2 I.
    """
    model = made("model=vae", "network=mlp", "bottleneck=2", *(words or ["likelihood=gaussian"]))[0].model.double()
    W = torch.linalg.qr(torch.randn(P, D)).Q * torch.tensor([1.5, 0.4])
    m = torch.rand(P)
    M = (W.square().sum(0) + sigma**2)[:, None]  # (D, 1)
    with torch.no_grad():
        model.decoder[0].weight.copy_(W)
        model.decoder[0].bias.copy_(m)
        model.code.project.weight.copy_(torch.cat([W.T / M, torch.zeros(D, P)]))
        model.code.project.bias.copy_(torch.cat([-W.T @ m / M[:, 0], (sigma**2 / M[:, 0]).log()]))
        for parameter in model.likelihood.parameters():
            parameter.fill_(log(sigma))
    exact = MultivariateNormal(m, W @ W.T + sigma**2 * torch.eye(P))
    x = exact.sample((60,)).reshape(60, 1, 8, 8)
    return model, x, exact.log_prob(x.flatten(1))


def measured(model, x, y=None, **settings):
    part = Examples(x, torch.full((len(x),), -1) if y is None else y, 1.0)
    part.batch = Batch  # in double precision
    return protocol(**{"examples": len(x)} | settings)(
        EvaluationContext(model, SimpleNamespace(test=part), None, "vae")
    )


def test_with_the_exact_posterior_both_bounds_are_log_p_without_noise():
    model, x, exact = linear_gaussian(0.3)
    found = measured(model, x, samples=3).metrics
    assert found["elbo"] == pytest.approx(exact.mean().item(), rel=1e-9)
    assert found["log_likelihood"] == pytest.approx(exact.mean().item(), rel=1e-9)
    assert found["effective_samples"] == pytest.approx(3)
    assert found["elbo_error"] == pytest.approx(exact.std().item() / 60**0.5)


def test_the_constant_of_the_squared_error_is_that_of_variance_one_half():
    words = ["likelihood=squared_error", "likelihood.link=Identity"]
    model, x, exact = linear_gaussian(0.5**0.5, *words)
    assert measured(model, x, samples=2).metrics["elbo"] == pytest.approx(exact.mean().item(), rel=1e-9)


def test_with_another_posterior_the_elbo_lacks_its_divergence_and_the_estimate_converges():
    model, x, exact = linear_gaussian(0.3)
    with torch.no_grad():
        exact_posterior = model.code.posterior(model.encoder(x))
        model.code.project.bias[:D] += 0.1
        model.code.project.bias[D:] += 0.3
        q = model.code.posterior(model.encoder(x))
    normals = [Independent(Normal(mu, (0.5 * v).exp()), 1) for mu, v in (q, exact_posterior)]
    gap = torch.distributions.kl_divergence(*normals)
    few, many = (measured(model, x, samples=k).metrics for k in (5, 4000))
    assert gap.mean() > 0.1
    assert many["elbo"] == pytest.approx((exact - gap).mean().item(), abs=0.02)
    assert many["log_likelihood"] == pytest.approx(exact.mean().item(), abs=0.02)
    assert few["elbo"] < few["log_likelihood"] < exact.mean() - 0.01
    assert 1 < few["effective_samples"] < 5
    assert few["log_likelihood_error"] == pytest.approx(exact.std().item() / 60**0.5, rel=0.1)


def test_the_weights_of_bernoulli_pixels_are_those_of_torchs_distributions():
    model = made("model=vae", "bottleneck=3")[0].model.double()
    x = (torch.rand(4, 1, 8, 8) > 0.5).double()
    asked = protocol(samples=6)
    batch = Batch(x, torch.full((4,), -1))
    with torch.no_grad():
        found = asked.log_weights(model, batch, torch.Generator().manual_seed(5))
        mu, log_var = model.code.posterior(model.encoder(x))
        generator = torch.Generator().manual_seed(5)
        for i in range(4):
            q = Normal(mu[i], (0.5 * log_var[i]).exp())
            z = q.loc + q.scale * torch.randn(6, 3, generator=generator)
            log_x = Bernoulli(logits=model.decoder(z)).log_prob(x[i]).flatten(1).sum(1)
            same(found[i], log_x + Normal(0, 1).log_prob(z).sum(1) - q.log_prob(z).sum(1))


def test_the_chunks_decide_no_number_and_nobodys_generator_is_moved():
    model, x, _ = linear_gaussian(0.3)
    with torch.no_grad():
        model.code.project.bias += 0.1
    before = torch.get_rng_state()
    whole, pieces = (measured(model, x, samples=20, chunk=chunk).metrics for chunk in (1000, 7))
    assert pieces == pytest.approx(whole)
    assert torch.equal(torch.get_rng_state(), before)
    assert measured(model, x, samples=20, seed=1).metrics["elbo"] != whole["elbo"]


def test_no_more_examples_are_taken_than_asked_for_and_one_has_no_error():
    model, x, exact = linear_gaussian(0.3)
    one = measured(model, x, examples=1, samples=2).metrics
    assert set(one) == {"elbo", "log_likelihood", "effective_samples"}
    assert (exact - one["elbo"]).abs().min() < 1e-6
    assert (exact.mean() - one["elbo"]).abs() > 1e-6


def test_a_kind_that_reads_labels_is_asked_with_them():
    model = made("model=conditional_vae", "bottleneck=3")[0].model.double().eval()
    x, y = torch.rand(1, 1, 8, 8).repeat(2, 1, 1, 1), torch.tensor([3, 5])
    with torch.no_grad():
        model.decoder[0].weight[:, 3 + 5] += 5  # what the label 5 does
        asked = protocol(samples=2000)
        three, five = asked.log_weights(model, Batch(x, y), torch.Generator().manual_seed(0)).mean(1)
        expected = [model.loss(Batch(x[:1].repeat(2000, 1, 1, 1), y[i].repeat(2000))) for i in range(2)]
    assert three - five > 1
    for elbo, loss in zip((three, five), expected, strict=True):
        assert elbo.item() == pytest.approx(-loss.total.item(), abs=0.3)


def test_the_picture_shows_the_bound_rising_from_the_elbo_to_the_estimate():
    model, x, _ = linear_gaussian(0.3)
    with torch.no_grad():
        model.code.project.bias += 0.2
    result = measured(model, x, samples=40)
    (line,) = result.figures["importance_bound"].axes[0].lines
    k, bound = line.get_data()
    assert k.tolist() == [1, 2, 4, 8, 16, 32, 40]
    assert (bound[0], bound[-1]) == pytest.approx((result.metrics["elbo"], result.metrics["log_likelihood"]))
    assert (bound[1:-1] > bound[:-2]).all()  # a group is made of two of the groups before


@pytest.mark.parametrize(
    "words", [["model=undercomplete"], ["model=pca"], ["model=vae", "network=conv_unpool"]], ids="-".join
)
def test_kinds_without_a_likelihood_say_so(words):
    task, data = made(*words)
    with pytest.raises(NotApplicable) as refusal:
        protocol()(EvaluationContext(task.model.float(), data, None, "model"))
    assert_one_sentence(refusal.value)


def test_what_no_likelihood_can_take_is_refused():
    with pytest.raises(UserError, match="choose"):
        protocol(samples=0)


def test_what_the_likelihoods_leave_out():
    x, theta = torch.rand(2, 1, 5)
    half = Normal(theta, 0.5**0.5).log_prob(x).sum()
    squared, gaussian = SquaredError("Identity"), Gaussian()
    same(-(squared.nll(theta, x) + squared.left_out(5))[0], half)
    same(-(gaussian.nll(theta, x) + gaussian.left_out(5))[0], Normal(theta, 1).log_prob(x).sum())
    assert squared.left_out(5) == pytest.approx(2.5 * log(pi))
