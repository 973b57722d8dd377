"""Protocols against oracles: a perfect, a constant and a shuffled representation."""

from functools import partial

import pytest
import torch
from labelled_oracle import CHANCE, CLASSES, Oracle, codes_of, constant, context, corner, noise
from torch import nn
from torchmetrics.functional.image import structural_similarity_index_measure

from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.fine_tune import FineTune
from aeexp.evaluation.linear_probe import LinearProbe
from aeexp.evaluation.reconstruction import Reconstruction
from aeexp.initializations import Torch
from aeexp.metrics.ssim import ssim
from aeexp.types import Code


def probe(**settings):
    return LinearProbe(
        **{"labels": [1.0, 40], "draws": 3, "stratified": False, "C": [1.0, 0.01, 100.0], "max_iter": 500, "seed": 0}
        | settings
    )


def fine_tune(**settings):
    defaults = {
        "labels": [1.0],
        "draws": 2,
        "stratified": False,
        "hidden": [8],
        "activation": "ReLU",
        "initialization": Torch(),
        "frozen": True,
        "epochs": [15],
    }
    defaults |= {"batch_size": 20, "optimizer": partial(torch.optim.Adam, lr=0.02), "seed": 0}
    return FineTune(**defaults | settings)


@pytest.mark.parametrize("protocol", [probe(), fine_tune()], ids=["linear_probe", "fine_tune"])
class TestLabelledCode:
    def test_a_code_that_holds_the_class_is_perfect(self, protocol):
        assert protocol(context(Oracle(corner))).metrics["accuracy"] == 1.0

    @pytest.mark.parametrize("code", [constant, noise])
    def test_a_code_without_the_class_is_at_chance(self, protocol, code):
        assert CHANCE[0] < protocol(context(Oracle(code))).metrics["accuracy"] < CHANCE[1]

    def test_shuffled_labels_are_at_chance(self, protocol):
        shuffled = context(Oracle(corner))
        train = shuffled.data.train
        train.y = train.y[torch.randperm(len(train.y), generator=torch.Generator().manual_seed(3))]
        assert protocol(shuffled).metrics["accuracy"] < CHANCE[1]

    def test_a_data_set_without_labels_is_refused_in_a_sentence(self, protocol):
        blind = context(Oracle(corner))
        blind.data.train.y = torch.full_like(blind.data.train.y, -1)
        with pytest.raises(NotApplicable, match="have no labels"):
            protocol(blind)


def test_the_probe_is_invariant_to_scale_and_offset_of_the_code():
    once, scaled = (probe()(context(Oracle(code))).metrics for code in (corner, lambda x: 1000 * corner(x) - 7))
    assert once == scaled


def test_the_probe_draws_anew_and_tells_the_deviation():
    metrics = probe(labels=[12], draws=8)(context(Oracle(lambda x: corner(x) + 0.7 * x[:, 0, 3, :CLASSES]))).metrics
    assert metrics["accuracy_12_std"] > 0
    assert set(metrics) == {"accuracy_12", "accuracy_12_std", "validation_accuracy_12", "C_12", "converged"}


def test_a_probe_that_was_stopped_early_says_so():
    assert probe(max_iter=1, labels=[1.0])(context(Oracle(noise))).metrics["converged"] == 0
    assert probe(labels=[1.0])(context(Oracle(noise))).metrics["converged"] == 1


def strong_and_weak(n, seed):
    """Codes whose class is in two units of variance 1; 60 units of variance 1e-4 are noise."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(2, (n,), generator=generator)
    z = torch.randn(n, 62, generator=generator) * torch.tensor([1.0] * 2 + [0.01] * 60)
    z[:, 0] += 2.0 * (2 * y - 1)
    return z, y


def test_units_of_little_variance_are_not_amplified():
    (z, y), (test_z, test_y) = strong_and_weak(30, 0), strong_and_weak(2000, 1)
    metrics = probe(labels=[1.0], C=[1.0])(codes_of(z, y, test_z, test_y)).metrics
    assert metrics["accuracy"] > 0.96  # unit by unit standardisation: 0.89


def test_c_is_chosen_on_validation_data_and_stored():
    generator = torch.Generator().manual_seed(0)
    y = [torch.randint(2, (n,), generator=generator) for n in (60, 400, 2000)]
    z = [torch.randn(len(each), 50, generator=generator) + 0.35 * (2 * each[:, None] - 1) for each in y]
    parts = (z[0], y[0], z[2], y[2], z[1], y[1])
    chosen = probe(C=[0.001, 1.0, 1e-5], labels=[1.0])(codes_of(*parts))
    each = {C: probe(C=[C], labels=[1.0])(codes_of(*parts)).metrics["accuracy"] for C in (0.001, 1.0)}
    assert each[1.0] > each[0.001] + 0.3
    assert (chosen.metrics["C"], chosen.metrics["accuracy"]) == (1.0, each[1.0])
    assert "400 labelled validation examples" in chosen.facts["C"]
    blind = probe(C=[0.001, 1.0, 1e-5], labels=[1.0])(codes_of(*parts[:4]))
    assert blind.metrics["C"] == 0.001
    assert "validation_accuracy" not in blind.metrics
    on_validation = probe(C=[1.0], labels=[1.0])(codes_of(*parts[:2], *parts[4:], *parts[4:])).metrics
    assert chosen.metrics["validation_accuracy"] == pytest.approx(on_validation["accuracy"], abs=0.01)
    assert chosen.metrics["validation_accuracy"] != chosen.metrics["accuracy"]
    assert "no labels" in blind.facts["C"]


@pytest.mark.parametrize("wrong", [[], [0.0], [-1.0, 1.0]])
def test_a_penalty_without_strength_is_refused(wrong):
    with pytest.raises(UserError, match="choose"):
        probe(C=wrong)


def test_epochs_of_fine_tuning_are_chosen_on_validation_data_and_stored():
    result = fine_tune(epochs=[1, 15], frozen=False, labels=[1.0, 60])(context(Oracle(corner)))
    assert result.metrics["epochs"] == result.metrics["epochs_60"] == 15
    assert "50 labelled validation examples" in result.facts["epochs"]
    blind = context(Oracle(corner))
    blind.data.val.y = torch.full_like(blind.data.val.y, -1)
    assert fine_tune(epochs=[1, 15])(blind).metrics["epochs"] == 1
    with pytest.raises(UserError, match="choose"):
        fine_tune(epochs=[0])


class Linear(Oracle):
    """Its code is a layer that fine-tuning can train."""

    def __init__(self):
        super().__init__(None)
        torch.manual_seed(0)
        self.layer = nn.Linear(256, 4)
        with torch.no_grad():
            self.layer.weight[:, :CLASSES] = 0  # blind to where the class is written

    def encode(self, x, y=None):
        code = self.layer(x.flatten(1))
        return Code(code, code)


def test_fine_tuning_trains_the_encoder_unless_it_is_frozen_and_leaves_the_run_as_it_was():
    model = Linear()
    before = model.layer.weight.clone()
    tuned = fine_tune(frozen=False)(context(model)).metrics["accuracy"]
    frozen = fine_tune(frozen=True)(context(model)).metrics["accuracy"]
    assert tuned > 0.9
    assert frozen < CHANCE[1]
    assert torch.equal(model.layer.weight, before)


def test_fine_tuning_carries_the_first_phases_moments_on():
    def accuracy_with(second_moment):
        model = Linear()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for parameter in model.parameters():
            moments = {"step": torch.tensor(1000.0), "exp_avg": torch.zeros_like(parameter)}
            optimizer.state[parameter] = moments | {"exp_avg_sq": torch.full_like(parameter, second_moment)}
        carried = context(model)
        carried.optimizer = optimizer
        return fine_tune(frozen=False, epochs=[5])(carried).metrics["accuracy"]

    assert accuracy_with(1e12) < CHANCE[1]  # an enormous second moment leaves no step to take
    assert accuracy_with(1e-4) > 0.9


def test_fine_tuning_uses_the_labelled_examples_alone():
    partly = context(Oracle(corner))
    partly.data.train.y[50:] = -1
    assert fine_tune()(partly).metrics["labels"] == 50


def test_fine_tuning_with_fewer_labels_is_drawn_several_times():
    metrics = fine_tune(labels=[40, 1.0], frozen=False)(context(Oracle(corner))).metrics
    assert set(metrics) == {"accuracy", "accuracy_40", "accuracy_40_std", "epochs", "epochs_40", "labels"}
    assert metrics["accuracy"] == 1.0
    assert CHANCE[1] < metrics["accuracy_40"] <= 1.0


def test_a_perfect_reconstruction_has_no_error():
    metrics = Reconstruction()(context(Oracle(corner))).metrics
    assert metrics["squared_error"] == metrics["nats"] == 0
    assert metrics["psnr"] == float("inf")
    assert metrics["ssim"] == pytest.approx(1)


def test_a_known_offset_has_the_error_that_one_can_work_out():
    metrics = Reconstruction()(context(Oracle(corner, lambda x: x + 0.1))).metrics
    assert metrics["squared_error"] == pytest.approx(256 * 0.01, rel=1e-4)
    assert metrics["psnr"] == pytest.approx(20, rel=1e-4)


def test_the_mean_image_is_worse_than_the_image_and_figures_are_drawn():
    flat = Reconstruction()(context(Oracle(corner, lambda x: torch.full_like(x, 0.5))))
    assert flat.metrics["ssim"] < 0.2
    assert set(flat.figures) == {"reconstructions", "error_by_class"}


@pytest.mark.parametrize("size", [8, 28])
def test_ssim_is_one_of_an_image_with_itself_and_less_with_another(size):
    a, b = torch.rand(2, 3, 1, size, size, generator=torch.Generator().manual_seed(0))
    assert ssim(a, a, 1.0).shape == (3,)
    assert torch.allclose(ssim(a, a, 1.0), torch.ones(3))
    assert (ssim(a, b, 1.0) < 0.5).all()


@pytest.mark.parametrize(("shape", "sigma"), [((1, 28, 28), 1.5), ((3, 8, 9), 0.5), ((3, 32, 40), 1.5)])
def test_ssim_is_that_of_torchmetrics(shape, sigma):
    a, b = 255 * torch.rand(2, 4, *shape, generator=torch.Generator().manual_seed(0))
    b = 0.7 * a + 0.3 * b
    reference = structural_similarity_index_measure(a, b, sigma=sigma, data_range=255.0, reduction="none")
    torch.testing.assert_close(ssim(a, b, 255.0), reference.reshape(4), rtol=1e-4, atol=1e-5)


def test_codes_are_computed_once_for_all_protocols():
    calls = []
    counted = context(Oracle(lambda x: calls.append(len(x)) or corner(x)))
    probe()(counted)
    first = len(calls)
    probe()(counted)
    assert len(calls) == first


def test_reconstructions_are_conditioned_on_the_label():
    class Conditional(Oracle):
        def reconstruct(self, x, y=None):
            return x if y is None else x + 0.1 * (y == 2).view(-1, 1, 1, 1)

    tested = context(Conditional(corner))
    wrong = (tested.data.test.y == 2).double().mean().item()
    assert Reconstruction()(tested).metrics["squared_error"] == pytest.approx(256 * 0.01 * wrong, rel=1e-4)
