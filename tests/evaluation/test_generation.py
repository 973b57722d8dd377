"""Scores of generated examples against closed forms, other implementations, brute force and oracles."""

from functools import partial

import numpy as np
import pytest
import torch
from composing import assert_one_sentence
from labelled_oracle import split
from scipy.linalg import sqrtm
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from torchmetrics.image.fid import _compute_fid

from aeexp.context import latent_samplers
from aeexp.context.judge import Features
from aeexp.context.latent_samplers import GaussianMixtureDensity
from aeexp.errors import UserError
from aeexp.evaluation.generation import Generation
from aeexp.metrics import fidelity
from aeexp.metrics.fidelity import Manifold, frechet, nearest

CLASSIFIER = {"channels": [8], "hidden": 16, "width": 12, "epochs": 4, "batch_size": 20, "lr": 0.01, "seed": 0}


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_moments(m, C, n=50, seed=0):
    """Points whose mean is m and whose unbiased covariance is C, to the last digits."""
    x = normal(n, len(m), seed=seed)
    x = torch.linalg.solve_triangular(torch.linalg.cholesky((x - x.mean(0)).T.cov()), (x - x.mean(0)).T, upper=False)
    return m + x.T @ torch.linalg.cholesky(C).T


@pytest.fixture(params=[7, 1000])
def blocks(request, monkeypatch):
    """Small enough that there are several, the last one not full."""
    for module in (fidelity, latent_samplers):
        monkeypatch.setattr(module, "BATCH", request.param)


# the Frechet distance


def test_frechet_distance_of_two_diagonal_gaussians():
    m, m_ = torch.tensor([1.0, 2, 3]).double(), torch.tensor([0.0, 0, 5]).double()
    s, s_ = torch.tensor([1.0, 2, 0.5]).double(), torch.tensor([3.0, 2, 1.0]).double()
    found = frechet(with_moments(m, s.square().diag()), with_moments(m_, s_.square().diag(), n=70, seed=1))
    assert found == pytest.approx(9 + 4 + 0.25, rel=1e-9)


def test_frechet_distance_agrees_with_two_other_implementations():
    a, b = normal(60, 6) @ normal(6, 6, seed=1), normal(45, 6, seed=2) @ normal(6, 6, seed=3) + 0.5
    (m, C), (m_, C_) = ((x.mean(0), x.T.cov()) for x in (a, b))
    root = torch.as_tensor(sqrtm((C @ C_).numpy()).real)
    by_scipy = (m - m_).square().sum() + (C + C_ - 2 * root).trace()
    assert frechet(a, b) == pytest.approx(by_scipy.item(), rel=1e-8)
    assert frechet(a, b) == pytest.approx(_compute_fid(m, C, m_, C_).item(), rel=1e-6)
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-9)


def test_frechet_distance_of_features_that_do_not_fill_their_space():
    a = torch.cat([normal(20, 3), torch.zeros(20, 40)], dim=1)
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    point = torch.ones(5, 43)
    expected = (a.mean(0) - 1).square().sum() + a.var(0).sum()
    assert frechet(a, point) == pytest.approx(expected.item(), rel=1e-6)


# precision and recall


def covered(inner, outer, k):
    """The fraction of `inner` within the ball around any of `outer`, one by one."""
    found = 0
    for x in inner.numpy():
        for i, centre in enumerate(outer.numpy()):
            others = np.linalg.norm(np.delete(outer.numpy(), i, 0) - centre, axis=1)
            if np.linalg.norm(x - centre) <= np.sort(others)[k - 1]:
                found += 1
                break
    return found / len(inner)


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_are_those_of_brute_force(k, blocks):
    real, generated = normal(40, 2), 0.6 * normal(31, 2, seed=1) + 0.8
    precision, recall = Manifold(real, k).holds(generated), Manifold(generated, k).holds(real)
    assert precision == pytest.approx(covered(generated, real, k))
    assert recall == pytest.approx(covered(real, generated, k))
    assert 0 < recall < 1
    assert 0 < precision < 1
    assert recall != precision


def generation(tmp_path, **settings):
    density = GaussianMixtureDensity(components=2, examples=1000, per_unit=5, iterations=50, floor=1e-4, seed=0)
    return Generation(
        **{"features": Features(str(tmp_path), **CLASSIFIER), "density": density, "samples": 250, "k": 3}
        | {"neighbours": 60, "seed": 0} | settings
    )  # fmt: skip


def test_equal_sets_are_perfect(tmp_path, blocks):
    a = normal(50, 5)
    score = generation(tmp_path).score(Manifold(a, 3), a)
    assert score["frechet"] == pytest.approx(0, abs=1e-9)
    assert score["precision"] == score["recall"] == 1


def test_half_the_modes_are_precise_and_not_all_and_a_constant_is_nothing(tmp_path, blocks):
    near, far = normal(40, 5), normal(40, 5, seed=1) + 100
    score = partial(generation(tmp_path).score, Manifold(torch.cat([near, far]), 3))
    half = score(near)
    assert (half["precision"], half["recall"]) == (1.0, 0.5)
    constant = score(torch.full((30, 5), 100.0))
    assert constant["recall"] == 0
    outside = score(normal(30, 5, seed=2) - 100)
    assert (outside["precision"], outside["recall"]) == (0.0, 0.0)


def test_manifold_of_copies_has_balls_without_room():
    copies = 0.1 * torch.ones(9, 3)
    assert Manifold(copies, 3).holds(copies) == 1
    assert Manifold(copies, 3).holds(copies + 1e-4) == 0
    assert Manifold(copies[:1], 3).holds(copies) == 1  # a set of one has no neighbour


def test_equal_features_are_at_no_distance_whatever_the_rounding():
    a = normal(300, 17) + 3
    assert (fidelity._squares(a, a).diagonal() == 0).all()
    assert (fidelity._squares(a, a + 1e-4).diagonal() > 0).all()


def test_nearest_training_example_is_that_of_brute_force(blocks):
    train, x = split(30, 0), split(9, 1)[torch.arange(9)].x
    x[4] = train[torch.tensor([29])].x[0]
    distances, places = nearest(x, train)
    all_pairs = (x[:, None] - train[torch.arange(30)].x).flatten(2).norm(dim=2)
    assert torch.equal(places, all_pairs.argmin(1))
    torch.testing.assert_close(distances, all_pairs.amin(1))
    assert distances[4] == 0


# densities of codes


def mixture(**settings):
    return GaussianMixtureDensity(
        **{"components": 3, "examples": 500, "per_unit": 10, "iterations": 100, "floor": 0, "seed": 0} | settings
    )


def three_heaps(n=300):
    return (normal(n, 2) @ torch.tensor([[1.0, 0.5], [0, 0.3]]).double() + 8 * (torch.arange(n) % 3)[:, None]).float()


def test_one_gaussian_has_the_moments_of_the_codes():
    z = three_heaps()
    found = mixture(components=1).fit(z, torch.Size([2]))
    reference = multivariate_normal(z.double().mean(0), np.cov(z.double().numpy().T, bias=True))
    np.testing.assert_allclose(found.prior.log_prob(z), reference.logpdf(z), rtol=1e-4)
    assert (found.components, found.name) == (1, "1 Gaussian")


def test_a_mixture_is_that_of_the_library_and_its_samples_are_like_the_codes():
    z = three_heaps()
    prior = mixture().fit(z, torch.Size([1, 2])).prior
    reference = GaussianMixture(3, reg_covar=1e-12, random_state=0).fit(z.double().numpy())
    np.testing.assert_allclose(prior.log_prob(z.view(300, 1, 2)), reference.score_samples(z.numpy()), rtol=1e-4)
    torch.manual_seed(0)
    drawn = prior.sample(3000)
    assert drawn.shape == (3000, 1, 2)
    assert drawn.dtype == torch.float32
    assert Manifold(z, 3).holds(drawn[:, 0]) > 0.9
    assert Manifold(drawn[:300, 0], 3).holds(z) > 0.9


def test_a_mixture_depends_on_its_seed_alone():
    z = normal(200, 2).float()
    one, again, other = (mixture(seed=seed).fit(z, torch.Size([2])).prior.log_prob(z) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_few_examples_make_few_gaussians_and_dead_units_none_worse():
    assert mixture(per_unit=50).fit(three_heaps(), torch.Size([2])).components == 3
    assert mixture(per_unit=51).fit(three_heaps(), torch.Size([2])).components == 2
    assert mixture(examples=39).fit(three_heaps(), torch.Size([2])).components == 1
    dead = torch.cat([three_heaps(), torch.zeros(300, 2)], dim=1)
    for codes in (dead, torch.ones(300, 4), torch.ones(1, 4)):
        prior = mixture(floor=1e-4).fit(codes, torch.Size([4])).prior
        assert prior.log_prob(codes).isfinite().all()
        assert (prior.sample(50)[:, 2:] - codes[0, 2:]).abs().max() < 1


@pytest.mark.parametrize("wrong", [{"components": 0}, {"examples": 0}, {"per_unit": 0}, {"floor": -1.0}])
def test_a_mixture_of_nothing_is_refused(wrong):
    with pytest.raises(UserError) as refusal:
        mixture(**wrong)
    assert_one_sentence(refusal.value)
