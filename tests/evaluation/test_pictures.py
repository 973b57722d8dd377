"""Pictures against oracles whose code and decoder are known: what is drawn is read back from the figures' artists."""

import pytest
import torch
from oracles import PIXELS, Oracle, close, context, drawn, texts
from scipy.stats import norm

from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.arithmetic import Arithmetic
from aeexp.evaluation.extremes import Extremes
from aeexp.evaluation.interpolation import Interpolation
from aeexp.evaluation.manifold import Manifold
from aeexp.evaluation.traversals import Traversals
from aeexp.metrics.paths import Linear, Spherical
from aeexp.priors import StandardNormal


class TestManifold:
    def test_cells_are_the_quantiles_of_the_prior_z1_to_the_right_and_z2_upwards(self):
        figure = Manifold(5, [0.6, 0.8])(context(Oracle(2, prior=StandardNormal((2,))))).figures["manifold"]
        expected = torch.as_tensor(norm.ppf(torch.linspace(0.6, 0.8, 5).double()))
        cells = drawn(figure, 5)
        for row in range(5):
            for column in range(5):
                close(cells[row, column, 0, :2], torch.stack([expected[column], expected[4 - row]]))
        shown = texts(figure)
        assert "0.3" in shown and "0.8" in shown

    def test_without_a_prior_they_span_the_quantiles_of_the_training_codes_in_equal_steps(self):
        asked = context(Oracle(2))
        cells = drawn(Manifold(4, [0.1, 0.9])(asked).figures["manifold"], 4)
        for unit, line in enumerate((cells[0, :, 0, 0], cells[:, 0, 0, 1].flip(0))):
            z = asked.data.train.x.flatten(1)[:, unit]
            close(line, torch.linspace(z.quantile(0.1).item(), z.quantile(0.9).item(), 4))

    def test_a_code_that_is_no_plane_is_refused(self):
        with pytest.raises(NotApplicable, match="choose bottleneck=2"):
            Manifold(5, [0.1, 0.9])(context(Oracle(3)))

    @pytest.mark.parametrize("settings", [(1, [0.1, 0.9]), (5, [0.0, 0.9]), (5, [0.9, 0.1])])
    def test_senseless_settings_are_refused(self, settings):
        with pytest.raises(UserError, match="choose"):
            Manifold(*settings)


class TestTraversals:
    gain = torch.tensor([0.5, 0.0, 1.0, 0.2])

    def figure(self, units=4, **changes):
        protocol = Traversals(**{"percents": [0, 50, 100], "units": units, "examples": 3} | changes)
        return protocol(context(Oracle(4, self.gain))).figures["traversals"]

    def names(self, figure):
        return [text.split(",")[0] for text in texts(figure) if text.startswith("unit ")]

    def test_units_are_sorted_by_what_they_move_and_one_that_moves_nothing_comes_last(self):
        assert self.names(self.figure()) == ["unit 2", "unit 0", "unit 3", "unit 1"]
        assert self.names(self.figure(units=2)) == ["unit 2", "unit 0"]

    def test_a_row_holds_the_example_then_the_percentiles_of_its_unit_with_the_others_left(self):
        asked, cells = context(Oracle(4, self.gain)), drawn(self.figure(), 4)
        z = asked.data.test.x[0].flatten()[:4]
        close(cells[0, 0].flatten()[:4], z * self.gain)
        values = asked.data.train.x.flatten(1)[:, 2].quantile(torch.tensor([0.0, 0.5, 1.0]))
        close(cells[0, 1:, 0, 2], values)
        for other in (0, 1, 3):
            close(cells[0, 1:, 0, other], (z * self.gain)[other].expand(3))

    def test_the_variance_is_that_of_the_pixels_over_the_percentiles(self):
        z = context(Oracle()).data.train.x.flatten(1)[:, 2]
        variance = z.quantile(torch.tensor([0.0, 0.5, 1.0])).var(correction=0).item()
        assert f"unit 2, {variance:.3f}" in texts(self.figure())

    @pytest.mark.parametrize("changes", [{"percents": [5]}, {"percents": [-1, 50]}, {"units": 0}, {"examples": 0}])
    def test_senseless_settings_are_refused(self, changes):
        with pytest.raises(UserError, match="choose"):
            self.figure(**changes)


class TestInterpolation:
    def protocol(self, classes=(), examples=(), steps=5, path=None):
        return Interpolation(list(classes), list(examples), steps, path or Linear())

    def test_the_ends_are_the_originals_above_and_their_reconstructions_below(self):
        asked = context(Oracle(4))
        figure = self.protocol(examples=[[3, 7]])(asked).figures["interpolation"]
        pixels, code = drawn(figure, 5)
        ends = asked.data.test.x[[3, 7], 0]
        close(pixels[[0, -1]], ends)
        close(code[[0, -1]], asked.model.reconstruct(asked.data.test.x[[3, 7]])[:, 0])
        close(pixels[2], ends.mean(0))
        assert [text for text in texts(figure) if text.startswith("0.")] == ["0.25", "0.5", "0.75"]

    def test_a_linear_code_walks_as_the_pixels_do(self):
        pixels, code = drawn(self.protocol(classes=[[0, 2]])(context(Oracle())).figures["interpolation"], 5)
        close(code, pixels)

    def test_classes_are_their_first_test_examples_and_pairs_that_are_not_there_are_left_out(self):
        asked = context(Oracle())
        figure = self.protocol(classes=[[2, 1], [0, 9]], examples=[[0, 99]])(asked).figures["interpolation"]
        cells = drawn(figure, 5)
        assert len(cells) == 2
        close(cells[0, [0, -1]], asked.data.test.x[[2, 1], 0])

    def test_the_unlabelled_are_walked_by_place_and_refused_by_class(self):
        blind = context(Oracle(), classes=0)
        assert self.protocol(classes=[[0, 1]], examples=[[0, 1]])(blind).figures
        with pytest.raises(NotApplicable, match="choose"):
            self.protocol(classes=[[0, 1], [-1, -1]])(blind)

    def test_an_arc_keeps_the_length_and_turns_evenly(self):
        a, b = torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 2.0, 0.0])
        walked = Spherical()(a, b, torch.linspace(0, 1, 4))
        close(walked.norm(dim=1), torch.full((4,), 2.0))
        close(torch.atan2(walked[:, 1], walked[:, 0]), torch.linspace(0, torch.pi / 2, 4))
        close(Spherical()(a, 3 * a, torch.tensor([0.5])), 2 * a[None])  # no angle
        assert Spherical()(a, -a, torch.linspace(0, 1, 3)).isfinite().all()


class TestArithmetic:
    def test_of_a_linear_code_it_is_that_of_the_pixels(self):
        code, pixels = drawn(Arithmetic([[0, 1, 2]], [])(context(Oracle())).figures["arithmetic"], 4)
        close(code, pixels)

    def test_the_means_are_those_of_the_groups_and_the_sum_is_first_minus_second_plus_third(self):
        asked = context(Oracle(gain=torch.full((PIXELS,), 0.5)))
        figure = Arithmetic([[2, 0, 1]], [[[4, 5], [0], [1, 2, 3]]])(asked).figures["arithmetic"]
        x, y, cells = asked.data.test.x[:, 0], asked.data.test.y, drawn(figure, 4)
        for block, groups in enumerate([[y == 2, y == 0, y == 1], [[4, 5], [0], [1, 2, 3]]]):
            a, b, c = (x[group].mean(0) for group in groups)
            expected = torch.stack([a, b, c, a - b + c]).clamp(0, 1)
            close(cells[2 * block + 1], expected)
            close(cells[2 * block], (0.5 * torch.stack([a, b, c, a - b + c])).clamp(0, 1))
        assert {"class 2", "− class 0", "+ class 1", "="} <= {*texts(figure)}

    @pytest.mark.parametrize("classes", [0, 2])
    def test_classes_that_are_not_there_are_refused(self, classes):
        with pytest.raises(NotApplicable, match="choose"):
            Arithmetic([[0, 1, 2], [-1, -1, -1]], [])(context(Oracle(), classes=classes))


class TestExtremes:
    def test_they_are_the_least_and_the_greatest_errors_in_order(self):
        asked = context(Oracle(4))
        result = Extremes(3)(asked)
        x = asked.data.test.x
        errors = x.flatten(1)[:, 4:].square().sum(1)  # what the code leaves out
        best, best_restored, worst, worst_restored = drawn(result.figures["extremes"], 3)
        close(best, x[errors.argsort()[:3], 0])
        close(worst, x[errors.argsort(descending=True)[:3], 0])
        for shown, restored in ((best, best_restored), (worst, worst_restored)):
            close(restored, asked.model.reconstruct(shown[:, None])[:, 0])
        close(torch.tensor([*result.metrics.values()]), errors.quantile(torch.tensor([0.0, 0.5, 1.0])))
        assert [*result.metrics] == ["best", "median", "worst"]
        assert f"{errors.max():#.3g}" in texts(result.figures["extremes"])

    def test_fewer_examples_than_asked_for_are_all_drawn(self):
        assert len(Extremes(10)(context(Oracle(), n=4)).figures["extremes"].axes[0].images) == 16


@pytest.mark.parametrize("pairs", [[[0]], [[0, 1, 2, 3]]])
def test_pairs_and_triples_of_another_length_are_refused(pairs):
    for protocol in (lambda: Interpolation(pairs, [], 5, Linear()), lambda: Arithmetic([], pairs)):
        with pytest.raises(UserError, match="choose"):
            protocol()
