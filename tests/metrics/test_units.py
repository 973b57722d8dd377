"""Statistics of a code's units and of its Jacobian against closed forms, scikit-learn and autograd."""

from math import log, sqrt

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score
from torch import nn

from aeexp.metrics.jacobian import responds, root_mean_square
from aeexp.metrics.units import effective_rank, mean_correlation, mutual_information, sparsity


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def orthonormal(n, d):
    """Centred columns (n, d) of equal length, at right angles"""
    z = gaussian(n, d).double()
    return torch.linalg.qr(z - z.mean(0)).Q


class TestUnits:
    def test_the_effective_rank_of_equal_directions_is_their_number(self):
        assert effective_rank(orthonormal(200, 5)) == pytest.approx(5)
        assert effective_rank(orthonormal(200, 5) * 1e-6 + 100) == pytest.approx(5, rel=1e-3)
        turned = orthonormal(200, 5) @ gaussian(5, 5).double().matrix_exp()
        assert effective_rank(turned) < 5

    def test_the_effective_rank_is_the_entropy_of_the_singular_values(self):
        s = torch.tensor([3.0, 2.0, 1.0]).double()
        p = (s / s.sum()).numpy()
        assert effective_rank(orthonormal(100, 3) * s) == pytest.approx(np.exp(-(p * np.log(p)).sum()))

    def test_a_line_has_rank_one_and_a_constant_code_none(self):
        line = gaussian(50, 1).double() * torch.tensor([[1.0, -2.0, 0.5]])
        assert effective_rank(line) == pytest.approx(1, abs=1e-4)
        assert effective_rank(torch.full((50, 3), 0.1).double()) == 0

    def test_the_correlation_is_the_mean_over_pairs(self):
        a, b = orthonormal(300, 2).unbind(1)
        mixed = torch.stack([a, -a, 0.6 * a + 0.8 * b], 1)
        assert mean_correlation(mixed) == pytest.approx((1 + 0.6 + 0.6) / 3)

    def test_mutual_information_is_that_of_scikit_learn(self):
        z, y = gaussian(1000, 3), torch.arange(1000) % 4
        z[:, 0] += y
        quartiles = [np.searchsorted(np.sort(unit)[[250, 500, 749]], unit, side="right") for unit in z.T.numpy()]
        wanted = [mutual_info_score(y, unit) for unit in quartiles]
        assert mutual_information(z, y, 4).tolist() == pytest.approx(wanted, abs=0.01)

    def test_a_unit_that_is_the_class_has_all_information_and_a_constant_one_none(self):
        y = torch.arange(400) % 4
        told = mutual_information(torch.stack([y.float(), (y == 2).float(), torch.zeros(400)], 1), y, 20)
        assert told.tolist() == pytest.approx([log(4), log(4) - 0.75 * log(3), 0], abs=1e-9)
        assert mutual_information(gaussian(4000, 2), torch.arange(4000) % 4, 20).max() < 3 * 19 * 3 / (2 * 4000)

    def test_sparsity_of_a_code_that_can_be_counted(self):
        z = torch.tensor([[0.0, -2.0, 0.0, 1.0], [0.0, 0.0, 0.0, 3.0]])
        assert sparsity(z) == {"mean_activation": 2 / 8, "active_fraction": 3 / 8, "l0": 1.5, "l1": 3.0}


class TestJacobian:
    def test_of_a_linear_map_it_is_the_norm_of_the_matrix(self):
        matrix, x = gaussian(12, 5), gaussian(30, 3, 4)
        found = root_mean_square(lambda x: x.flatten(1) @ matrix, x, 4000, torch.Generator().manual_seed(0))
        assert found == pytest.approx(matrix.norm().item(), rel=0.03)

    def test_of_orthogonal_rows_each_probe_is_exact(self):
        matrix = torch.linalg.qr(gaussian(12, 5)).Q
        found = root_mean_square(lambda x: x @ matrix, gaussian(30, 12), 1, torch.Generator().manual_seed(0))
        assert found == pytest.approx(sqrt(5), rel=1e-5)

    def test_of_a_network_it_is_that_of_autograd(self):
        net, x = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4)), gaussian(10, 6)
        exact = torch.vmap(torch.func.jacrev(net))(x).square().sum((1, 2)).mean().sqrt().item()
        assert root_mean_square(net, x, 4000, torch.Generator().manual_seed(0)) == pytest.approx(exact, rel=0.05)

    def test_what_is_rounded_or_constant_does_not_move(self):
        generator, x = torch.Generator().manual_seed(0), torch.rand(100, 6)
        assert responds(lambda x: x.relu(), x, 1e-3, generator)
        assert not responds(lambda x: (x > 0.5).float(), x, 1e-3, generator)
        assert not responds(lambda x: torch.ones(len(x), 2), x, 1e-3, generator)
