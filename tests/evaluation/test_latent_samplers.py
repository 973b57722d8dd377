"""Densities that are fitted to codes, against scipy and scikit-learn."""

import numpy as np
import pytest
import torch
from composing import assert_one_sentence
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from aeexp.context.latent_samplers import GaussianMixtureDensity
from aeexp.errors import UserError
from aeexp.metrics.fidelity import Manifold, fidelity_and_diversity


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixture(**settings):
    return GaussianMixtureDensity(
        **{"components": 3, "examples": 500, "per_unit": 10, "iterations": 100, "floor": 0, "seed": 0} | settings
    )


def three_clusters(n=300):
    return (normal(n, 2) @ torch.tensor([[1.0, 0.5], [0, 0.3]]).double() + 8 * (torch.arange(n) % 3)[:, None]).float()


def test_one_gaussian_has_the_moments_of_the_codes():
    z = three_clusters()
    found = mixture(components=1).fit(z, torch.Size([2]))
    reference = multivariate_normal(z.double().mean(0), np.cov(z.double().numpy().T, bias=True))
    np.testing.assert_allclose(found.prior.log_prob(z), reference.logpdf(z), rtol=1e-4)
    assert (found.components, found.name) == (1, "1 Gaussian")


def test_a_mixture_is_that_of_the_library_and_its_samples_are_like_the_codes():
    z = three_clusters()
    prior = mixture().fit(z, torch.Size([1, 2])).prior
    reference = GaussianMixture(3, reg_covar=1e-12, random_state=0).fit(z.double().numpy())
    np.testing.assert_allclose(prior.log_prob(z.view(300, 1, 2)), reference.score_samples(z.numpy()), rtol=1e-4)
    torch.manual_seed(0)
    drawn = prior.sample(3000)
    assert drawn.shape == (3000, 1, 2)
    assert drawn.dtype == torch.float32
    metrics = fidelity_and_diversity(Manifold(z, 3), drawn[:300, 0])
    assert metrics["precision"] > 0.9
    assert metrics["recall"] > 0.9


def test_a_mixture_depends_on_its_seed_alone():
    z = normal(200, 2).float()
    one, again, other = (mixture(seed=seed).fit(z, torch.Size([2])).prior.log_prob(z) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_few_examples_have_few_gaussians_and_constant_units_a_variance():
    assert mixture(per_unit=50).fit(three_clusters(), torch.Size([2])).components == 3
    assert mixture(per_unit=51).fit(three_clusters(), torch.Size([2])).components == 2
    assert mixture(examples=39).fit(three_clusters(), torch.Size([2])).components == 1
    dead = torch.cat([three_clusters(), torch.zeros(300, 2)], dim=1)
    for codes in (dead, torch.ones(300, 4), torch.ones(1, 4)):
        prior = mixture(floor=1e-4).fit(codes, torch.Size([4])).prior
        assert prior.log_prob(codes).isfinite().all()
        assert (prior.sample(50)[:, 2:] - codes[0, 2:]).abs().max() < 1


@pytest.mark.parametrize("wrong", [{"components": 0}, {"examples": 0}, {"per_unit": 0}, {"floor": -1.0}])
def test_a_mixture_of_nothing_is_refused(wrong):
    with pytest.raises(UserError) as refusal:
        mixture(**wrong)
    assert_one_sentence(refusal.value)


def test_codes_that_are_not_finite_are_refused():
    with pytest.raises(UserError, match="choose"):
        mixture().fit(torch.tensor([[0.0], [torch.nan]]), torch.Size([1]))
