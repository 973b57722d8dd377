"""Frechet distance, precision, recall, density and coverage against closed forms, other code and brute force."""

from functools import partial

import numpy as np
import pytest
import torch
from labelled_oracle import split
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from torchmetrics.image.fid import _compute_fid

from aeexp.metrics import fidelity
from aeexp.metrics.fidelity import Manifold, fidelity_and_diversity, frechet, nearest


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
    monkeypatch.setattr(fidelity, "BATCH", request.param)


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


# precision, recall, density, coverage


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
    metrics = fidelity_and_diversity(Manifold(real, k), generated)
    assert metrics["precision"] == pytest.approx(covered(generated, real, k))
    assert metrics["recall"] == pytest.approx(covered(real, generated, k))
    assert 0 < metrics["recall"] < 1
    assert 0 < metrics["precision"] < 1
    assert metrics["recall"] != metrics["precision"]


@pytest.mark.parametrize("k", [1, 3])
def test_density_and_coverage_are_those_of_brute_force(k, blocks):
    """As in the authors' own implementation, from the distances of all pairs."""
    real, generated = normal(40, 2), 0.6 * normal(31, 2, seed=1) + 0.8
    radii = np.sort(cdist(real, real), axis=1)[:, k]
    inside = cdist(real, generated) <= radii[:, None]  # (real, generated)
    metrics = fidelity_and_diversity(Manifold(real, k), generated)
    assert metrics["density"] == pytest.approx(inside.sum() / (k * 31))
    assert metrics["coverage"] == pytest.approx(inside.any(1).mean())
    assert 0 < metrics["coverage"] < 1


def test_density_and_coverage_of_a_perfect_generator_have_their_expected_values():
    """Naeem et al. (2020), section 3.3: E density = 1, E coverage = 1 - 2^-k for equal numbers of both."""
    k, n = 3, 300
    real, generated = normal(10, n, 8), normal(10, n, 8, seed=1)
    each = [fidelity_and_diversity(Manifold(a, k), b) for a, b in zip(real, generated, strict=True)]
    assert np.mean([metrics["density"] for metrics in each]) == pytest.approx(1, abs=0.05)
    assert np.mean([metrics["coverage"] for metrics in each]) == pytest.approx(1 - 2**-k, abs=0.02)


def test_equal_sets_are_perfect(blocks):
    a = normal(50, 5)
    metrics = fidelity_and_diversity(Manifold(a, 3), a)
    assert metrics["precision"] == metrics["recall"] == metrics["coverage"] == 1
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_half_the_modes_are_precise_and_half_recalled_and_a_constant_recalls_nothing(blocks):
    near, far = normal(40, 5), normal(40, 5, seed=1) + 100
    score = partial(fidelity_and_diversity, Manifold(torch.cat([near, far]), 3))
    half = score(near)
    assert (half["precision"], half["recall"], half["coverage"]) == (1.0, 0.5, 0.5)
    assert score(torch.full((30, 5), 100.0))["recall"] == 0
    outside = score(normal(30, 5, seed=2) - 100)
    assert set(outside.values()) == {0.0}


def test_an_outlier_in_the_data_raises_precision_and_not_density(blocks):
    """Naeem et al. (2020), figure 1: the ball of one outlier holds the samples around it."""
    real = torch.cat([normal(50, 2), torch.full((1, 2), 50.0).double()])
    metrics = fidelity_and_diversity(Manifold(real, 5), 40 + normal(50, 2, seed=1))
    assert metrics["precision"] == 1
    assert metrics["density"] == pytest.approx(1 / 5)
    assert metrics["coverage"] == pytest.approx(1 / 51)


def test_balls_of_copies_have_no_radius():
    copies = 0.1 * torch.ones(9, 3)
    assert fidelity_and_diversity(Manifold(copies, 3), copies)["precision"] == 1
    assert fidelity_and_diversity(Manifold(copies, 3), copies + 1e-4)["precision"] == 0
    assert fidelity_and_diversity(Manifold(copies[:1], 3), copies)["precision"] == 1  # a set of one has no neighbour


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
