"""Representation, robustness, compression and reconstruction against closed forms and known codes."""

from functools import partial

import pytest
import torch
from labelled_oracle import CLASSES, Oracle, constant, context, corner, noise

from aeexp.corruptions import Gaussian, Masking
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.compression import Compression
from aeexp.evaluation.reconstruction import Reconstruction
from aeexp.evaluation.representation import Representation, unit_metrics
from aeexp.evaluation.robustness import CorruptionLevels, Robustness


class TestUnits:
    def test_units_are_active_by_the_share_of_the_largest_variance_and_dead_where_they_never_change(self):
        z = torch.cat(
            [
                torch.randn(1000, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([10.0, 2.0, 0.5, 1e-3]),
                torch.full((1000, 2), 0.3),
            ],
            1,
        )
        for scale in (1e-3, 1.0, 1e3):
            metrics = unit_metrics(scale * z)
            assert (metrics["active_units"], metrics["dead_units"]) == (2, 2)

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


def robustness(**settings):
    corruptions = {
        "gaussian": CorruptionLevels(partial(Gaussian, scale=1.0, clip=True), "std", [0.3, 0.1]),
        "masking": CorruptionLevels(Masking, "fraction", [1.0]),
    }
    defaults = {"corruptions": corruptions, "examples": 250, "C": [1.0, 0.01], "max_iter": 100, "differentiated": 20}
    return Robustness(**defaults | {"probes": 4, "perturbation": 1e-3, "seed": 0} | settings)


class TestRobustness:
    def test_the_identity_has_the_error_of_the_corruption(self):
        tested = context(Oracle(corner))
        metrics = robustness(examples=10**6)(tested).metrics
        assert metrics["squared_error"] == 0
        assert 0 < metrics["squared_error_gaussian_0.1"] < metrics["squared_error_gaussian_0.3"]
        x = torch.cat([batch.x for batch in tested.data.test.batches(1000)])
        assert metrics["squared_error_masking_1"] == pytest.approx(x.square().flatten(1).sum(1).mean().item())

    def test_a_fully_masked_code_is_at_chance_and_the_clean_code_is_perfect(self):
        metrics = robustness()(context(Oracle(corner))).metrics
        assert metrics["accuracy"] == 1
        assert 0.1 < metrics["accuracy_masking_1"] < 0.45
        assert metrics["accuracy_gaussian_0.3"] <= metrics["accuracy_gaussian_0.1"] <= 1

    def test_the_noise_is_the_same_for_all_models_and_leaves_the_generator_alone(self):
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
    def test_a_piecewise_constant_code_has_no_jacobian(self, code):
        assert "jacobian" not in robustness()(context(Oracle(code))).metrics

    def test_a_model_without_a_code_has_errors_alone(self):
        def refuse(x):
            raise NotApplicable("no code: choose another")

        result = robustness()(context(Oracle(refuse)))
        assert "squared_error_masking_1" in result.metrics
        assert not [name for name in result.metrics if "accuracy" in name or "jacobian" in name]
        assert set(result.figures) == {"error_under_corruption"}

    def test_the_figures_show_a_chart_a_corruption_from_level_0(self):
        figures = robustness()(context(Oracle(corner))).figures
        assert set(figures) == {"error_under_corruption", "accuracy_under_corruption"}
        charts = figures["accuracy_under_corruption"].axes
        assert [axes.get_title() for axes in charts] == ["gaussian", "masking"]
        assert [list(line.get_xdata()) for axes in charts for line in axes.lines] == [[0, 0.1, 0.3]] * 2 + [[0, 1]] * 2

    def test_counts_of_zero_are_refused(self):
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


class TestCodebook:
    def test_entries_are_counted_where_symbols_are_entries(self):
        class Quantized(Oracle):
            def symbols(self, z):
                return (4 * z[:, :3]).long().clamp_max(3)

        tested = context(Quantized(lambda x: x[:, 0, 0, 4:7]))
        result = Representation(bins=4)(tested)
        k = (4 * tested.codes(tested.data.test)).long().clamp_max(3)
        p = k.flatten().bincount().double() / k.numel()
        assert result.metrics["codes_used"] == 4 == len(p)
        assert result.metrics["perplexity"] == pytest.approx(torch.exp(-(p * p.log()).sum()).item(), rel=1e-6)
        assert "codebook" in result.figures
        without = Representation(bins=4)(context(Oracle(lambda x: x[:, 0, 0, 4:7])))
        assert "codes_used" not in without.metrics and "codebook" not in without.figures


class TestCompression:
    def test_a_codebooks_units_are_one_symbol(self):
        class Quantized(Oracle):
            def symbols(self, z):
                return torch.cdist(z.view(len(z), 3, 2), entries.expand(len(z), 4, 2)).argmin(2)

        entries = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))

        def code(x):
            return entries[(4 * x[:, 0, 0, 4:7]).long().clamp_max(3)].flatten(1)  # three symbols of four

        tested = context(Quantized(code))
        tested.decode = lambda z: tested.data.test.x[: len(z)].float()
        tested.code_shape = torch.Size([6])
        assert compression(levels=[1])(tested).metrics["bits"] == pytest.approx(6, abs=0.2)

    def test_bits_lose_nothing_at_one_bit_and_real_values_lose_less_with_more(self):
        exact = compression()(context(Decoder(CORNER))).metrics
        assert exact["squared_error_1"] == pytest.approx(exact["squared_error"], rel=1e-6)
        assert exact["lossless_bits"] == min(exact["bits"], exact["bits_1"])
        real = compression()(context(Decoder(REAL))).metrics
        assert real["squared_error_1"] > real["squared_error_2"] > real["squared_error_8"] > real["squared_error"]
        # the error of uniform values in 4 intervals is a twelfth of the interval's square
        assert real["squared_error_2"] - real["squared_error"] == pytest.approx(6 / 16 / 12, rel=0.15)
        assert real["bits_2"] == pytest.approx(12, rel=0.02)

    def test_codecs_are_measured_beside_the_codes_of_images(self):
        result = compression()(context(Decoder(CORNER)))
        assert result.metrics["png_bits"] > 0
        (axes,) = result.figures["rate_distortion"].axes
        assert {"jpeg", "webp", "png"} <= {line.get_label() for line in axes.lines}
        vectors = context(Decoder(CORNER))
        vectors.data.bounded = False
        assert not [name for name in compression()(vectors).metrics if name.split("_")[0] in {"jpeg", "webp", "png"}]

    def test_lossless_bits_are_the_least_within_the_tolerance(self):
        tested = context(Decoder(REAL))
        few, all_of_it = (compression(tolerance=t)(tested).metrics for t in (1e9, 0.0))
        assert few["lossless_bits"] == few["bits_1"]
        assert all_of_it["lossless_bits"] == all_of_it["bits"]

    def test_the_figure_has_a_point_a_level(self):
        for stretch, labels in ((REAL, ["1", "2", "8"]), (CORNER, ["1"])):
            (axes,) = compression(counted=400)(context(Decoder(stretch))).figures["rate_distortion"].axes
            assert len(axes.lines[1].get_xdata()) == 3
            assert [text.get_text() for text in axes.texts][: len(labels)] == labels

    @pytest.mark.parametrize("wrong", [{"levels": []}, {"levels": [0]}, {"levels": [17]}, {"counted": 0}])
    def test_senseless_settings_are_refused(self, wrong):
        with pytest.raises(UserError, match="choose"):
            compression(**wrong)


class TestErrorByClass:
    def test_the_worst_class_has_the_largest_mean_error(self):
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
