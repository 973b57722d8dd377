"""Units, Jacobians, corruption and quantisation against closed forms and codes that are known."""

from functools import partial
from math import log, sqrt

import numpy as np
import pytest
import torch
from labelled_oracle import CLASSES, Oracle, constant, context, corner, noise
from sklearn.metrics import mutual_info_score
from torch import nn

from aeexp.codes.vq import MovingAverage
from aeexp.corruptions import Gaussian, Masking
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.compression import Compression, code_length, meanings, own_bits, symbol_width, symbols
from aeexp.evaluation.reconstruction import Reconstruction
from aeexp.evaluation.representation import Representation, correlation, effective_rank, information, score
from aeexp.evaluation.robustness import CorruptionLevels, Robustness
from aeexp.metrics.jacobian import responds, root_mean_square


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

    def test_units_are_active_by_the_share_of_the_largest_variance_and_dead_where_they_never_change(self):
        z = torch.cat([gaussian(1000, 4) * torch.tensor([10.0, 2.0, 0.5, 1e-3]), torch.full((1000, 2), 0.3)], 1)
        for scale in (1e-3, 1.0, 1e3):
            metrics = score(scale * z, Representation(10).units(scale * z, torch.full((1000,), -1)))
            assert (metrics["active_units"], metrics["dead_units"]) == (2, 2)
            assert "information_mean" not in metrics

    def test_the_correlation_is_the_mean_over_pairs(self):
        a, b = orthonormal(300, 2).unbind(1)
        mixed = torch.stack([a, -a, 0.6 * a + 0.8 * b], 1)
        assert correlation(mixed) == pytest.approx((1 + 0.6 + 0.6) / 3)

    def test_the_information_of_bins_is_that_of_scikit_learn(self):
        z, y = gaussian(1000, 3), torch.arange(1000) % 4
        z[:, 0] += y
        quartiles = [np.searchsorted(np.sort(unit)[[250, 500, 749]], unit, side="right") for unit in z.T.numpy()]
        wanted = [mutual_info_score(y, unit) for unit in quartiles]
        assert information(z, y, 4).tolist() == pytest.approx(wanted, abs=0.01)

    def test_a_unit_that_is_the_class_tells_all_and_a_constant_one_nothing(self):
        y = torch.arange(400) % 4
        told = information(torch.stack([y.float(), (y == 2).float(), torch.zeros(400)], 1), y, 20)
        assert told.tolist() == pytest.approx([log(4), log(4) - 0.75 * log(3), 0], abs=1e-9)
        assert information(gaussian(4000, 2), torch.arange(4000) % 4, 20).max() < 3 * 19 * 3 / (2 * 4000)

    def test_the_protocol_reads_the_test_codes(self):
        result = Representation(5)(context(Oracle(corner)))
        assert result.metrics["information_max"] == pytest.approx(result.metrics["label_entropy"] * 0.4, rel=0.4)
        assert result.metrics["active_units"] == CLASSES
        assert set(result.figures) == {"units"}
        dead = Representation(5)(context(Oracle(constant))).metrics
        assert (dead["active_units"], dead["dead_units"], dead["effective_rank"]) == (0, 3, 0)
        assert "correlation" not in dead

    def test_one_bin_is_refused(self):
        with pytest.raises(UserError, match="choose"):
            Representation(1)


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


def robustness(**settings):
    corruptions = {
        "gaussian": CorruptionLevels(partial(Gaussian, scale=1.0), "std", [0.3, 0.1]),
        "masking": CorruptionLevels(Masking, "fraction", [1.0]),
    }
    defaults = {"corruptions": corruptions, "examples": 250, "C": 1.0, "max_iter": 100, "differentiated": 20}
    return Robustness(**defaults | {"probes": 4, "perturbation": 1e-3, "seed": 0} | settings)


class TestRobustness:
    def test_what_gives_the_input_back_has_the_corruption_s_own_error(self):
        tested = context(Oracle(corner))
        metrics = robustness(examples=10**6)(tested).metrics
        assert metrics["squared_error"] == 0
        assert 0 < metrics["squared_error_gaussian_0.1"] < metrics["squared_error_gaussian_0.3"]
        x = torch.cat([batch.x for batch in tested.data.test.batches(1000)])
        assert metrics["squared_error_masking_1"] == pytest.approx(x.square().flatten(1).sum(1).mean().item())

    def test_what_is_left_of_nothing_is_chance_and_the_clean_code_is_perfect(self):
        metrics = robustness()(context(Oracle(corner))).metrics
        assert metrics["accuracy"] == 1
        assert 0.1 < metrics["accuracy_masking_1"] < 0.45
        assert metrics["accuracy_gaussian_0.3"] <= metrics["accuracy_gaussian_0.1"] <= 1

    def test_the_noise_is_one_for_all_kinds_and_disturbs_nobody(self):
        torch.manual_seed(5)
        state = torch.get_rng_state()
        one, two = (robustness()(context(Oracle(code))).metrics for code in (corner, noise))
        assert torch.equal(torch.get_rng_state(), state)
        assert one["squared_error_gaussian_0.1"] == two["squared_error_gaussian_0.1"]

    def test_the_jacobian_of_four_pixels_is_two(self):
        metrics = robustness()(context(Oracle(corner))).metrics
        assert metrics["jacobian"] == pytest.approx(2)
        doubled = robustness()(context(Oracle(lambda x: 2 * corner(x)))).metrics
        assert doubled["jacobian"] == pytest.approx(4)
        assert doubled["jacobian_relative"] == pytest.approx(metrics["jacobian_relative"])

    @pytest.mark.parametrize("code", [constant, lambda x: corner(x).round()])
    def test_a_code_that_jumps_has_no_jacobian(self, code):
        assert "jacobian" not in robustness()(context(Oracle(code))).metrics

    def test_a_kind_without_a_code_has_errors_alone(self):
        def refuse(x):
            raise NotApplicable("no code: choose another")

        result = robustness()(context(Oracle(refuse)))
        assert "squared_error_masking_1" in result.metrics
        assert not [name for name in result.metrics if "accuracy" in name or "jacobian" in name]
        assert set(result.figures) == {"error_under_corruption"}

    def test_the_pictures_show_a_chart_a_corruption_from_level_0(self):
        figures = robustness()(context(Oracle(corner))).figures
        assert set(figures) == {"error_under_corruption", "accuracy_under_corruption"}
        charts = figures["accuracy_under_corruption"].axes
        assert [axes.get_title() for axes in charts] == ["gaussian", "masking"]
        assert [list(line.get_xdata()) for axes in charts for line in axes.lines] == [[0, 0.1, 0.3]] * 2 + [[0, 1]] * 2

    def test_nothing_of_something_is_refused(self):
        with pytest.raises(UserError, match="choose"):
            robustness(probes=0)
        with pytest.raises(UserError, match="choose"):
            CorruptionLevels(Masking, "std", [0.1])


def compression(**settings):
    return Compression(**{"levels": [1, 2, 8], "examples": 200, "counted": 300, "tolerance": 0.01} | settings)


class Decoder(Oracle):
    """Its code is a stretch of the image's first row, of which it paints all that it knows."""

    def __init__(self, stretch):
        super().__init__(lambda x: x[:, 0, 0, stretch], None)
        self.stretch = stretch

    def decode(self, z, y=None):
        x = torch.zeros(len(z), 1, 16, 16)
        x[:, 0, 0, self.stretch] = z
        return x


CORNER, REAL = slice(0, CLASSES), slice(4, 10)


class TestCompression:
    def test_symbols_are_intervals_and_stand_for_the_mean_of_what_is_there(self):
        z = torch.tensor([[0.0], [0.1], [0.2], [0.9], [1.0]])
        known = symbols(z, z, 2)
        assert known.flatten().tolist() == [0, 0, 0, 3, 3]
        assert meanings(known, z, 2).flatten().tolist() == pytest.approx([0.1, 0.375, 0.625, 0.95])
        assert symbols(torch.tensor([[-5.0], [7.0], [0.5]]), z, 2).flatten().tolist() == [0, 3, 2]

    def test_the_length_of_uniform_symbols_is_their_bits_and_of_certain_ones_next_to_none(self):
        even = torch.arange(8).repeat(1000)[:, None].expand(-1, 3)
        assert code_length(even, even[:100], 8) == pytest.approx(9, rel=1e-6)
        certain = torch.zeros(10_000, 3, dtype=torch.int64)
        assert code_length(certain, certain[:100], 2) == pytest.approx(0, abs=1e-3)
        skewed = torch.cat([torch.zeros(7500), torch.ones(2500)])[:, None].long()
        assert code_length(skewed, skewed, 2) == pytest.approx(-0.75 * np.log2(0.75) + 0.25 * 2, abs=1e-3)

    def test_the_own_bits_of_real_binary_and_quantised_codes(self):
        def bits(n, seed):
            return torch.randint(2, (n, 4), generator=torch.Generator().manual_seed(seed)).float()

        assert own_bits(gaussian(500, 4), gaussian(50, 4, seed=1), 1) == 4 * 32
        assert own_bits(bits(5000, 0), bits(500, 1), 1) == pytest.approx(4, abs=0.05)
        entries = gaussian(16, 2)
        chosen = torch.randint(16, (5500, 3), generator=torch.Generator().manual_seed(2))
        quantised = entries[chosen].flatten(1)
        assert own_bits(quantised[:5000], quantised[5000:], 2) == pytest.approx(3 * 4, abs=0.1)

    def test_a_codebooks_units_are_one_symbol(self):
        from aeexp.models.base import Factored

        model = Factored.__new__(type("Quantised", (Factored,), {"loss": lambda self, batch: None}))
        nn.Module.__init__(model)
        model.code = MovingAverage(5, 6, codes=4, width=2, beta=0.25, decay=0.99, dead=0.0)
        assert symbol_width(model) == 2
        assert symbol_width(Oracle(corner)) == 1

    def test_bits_lose_nothing_at_one_bit_and_real_values_lose_less_with_more(self):
        exact = compression()(context(Decoder(CORNER))).metrics
        assert exact["squared_error_1"] == pytest.approx(exact["squared_error"], rel=1e-6)
        assert exact["enough"] == min(exact["bits"], exact["bits_1"])
        real = compression()(context(Decoder(REAL))).metrics
        assert real["squared_error_1"] > real["squared_error_2"] > real["squared_error_8"] > real["squared_error"]
        # the error of uniform values in 4 intervals is a twelfth of the interval's square
        assert real["squared_error_2"] - real["squared_error"] == pytest.approx(6 / 16 / 12, rel=0.15)
        assert real["bits_2"] == pytest.approx(12, rel=0.02)

    def test_enough_is_the_least_within_the_tolerance(self):
        tested = context(Decoder(REAL))
        few, all_of_it = (compression(tolerance=t)(tested).metrics for t in (1e9, 0.0))
        assert few["enough"] == few["bits_1"]
        assert all_of_it["enough"] == all_of_it["bits"]

    def test_the_picture_has_a_point_a_level(self):
        for stretch, labels in ((REAL, ["1", "2", "8"]), (CORNER, ["1"])):
            (axes,) = compression(counted=400)(context(Decoder(stretch))).figures["rate_distortion"].axes
            assert len(axes.lines[1].get_xdata()) == 3
            assert [text.get_text() for text in axes.texts][: len(labels)] == labels

    @pytest.mark.parametrize("wrong", [{"levels": []}, {"levels": [0]}, {"levels": [17]}, {"counted": 0}])
    def test_senseless_settings_are_refused(self, wrong):
        with pytest.raises(UserError, match="choose"):
            compression(**wrong)


class TestErrorByClass:
    def test_the_worst_class_is_named_by_its_mean(self):
        def lose_class_2(x):
            return torch.where((x[:, 0, 0, 2] == 1)[:, None, None, None], x + 0.1, x)

        result = Reconstruction()(context(Oracle(corner, lose_class_2)))
        assert result.metrics["squared_error_worst_class"] == pytest.approx(256 * 0.01, rel=1e-4)
        heights = [bar.get_height() for bar in result.figures["error_by_class"].axes[0].patches]
        assert heights == pytest.approx([0, 0, 256 * 0.01, 0], rel=1e-4)

    def test_without_labels_there_is_none(self):
        blind = context(Oracle(corner))
        blind.data.test.y = torch.full_like(blind.data.test.y, -1)
        result = Reconstruction()(blind)
        assert "squared_error_worst_class" not in result.metrics
        assert set(result.figures) == {"reconstructions"}
