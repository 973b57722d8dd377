"""Quality of generated samples against oracles: models that draw real examples, copies, one example, and one class."""

from functools import partial

import pytest
import torch
from composing import assert_one_sentence
from labelled_oracle import CLASSES, DENSITY, Generator, context, corner_of_code, drawn_from, gray, split
from torch import nn

from aeexp.context.judge import Judge
from aeexp.data.examples import Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.generation import Generation
from aeexp.priors import NoPrior

SETTINGS = {
    "channels": [8],
    "hidden": 16,
    "width": 12,
    "epochs": 8,
    "patience": 3,
    "batch_size": 20,
    "lr": 0.01,
    "seed": 0,
}


def judge(folder, **settings):
    return Judge(**{"cache": str(folder), **SETTINGS, "sufficient": 1.0, "gate": 0.0, "gates": {}} | settings)


def generation(folder, **settings):
    defaults = {"judge": judge(folder), "density": DENSITY, "samples": 250, "k": 3, "neighbours": 60, "seed": 0}
    return Generation(**defaults | settings)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("judges")


# scores


def test_real_examples_score_as_training_examples_do(cache):
    metrics = generation(cache)(context(Generator(partial(drawn_from, split(300, 7))))).metrics
    assert 1 / 4 < metrics["frechet"] / metrics["frechet_train"] < 4
    for name in ("precision", "recall"):
        assert metrics[name] == pytest.approx(metrics[f"{name}_train"], abs=0.12)
    assert metrics["precision"] > 0.7
    assert metrics["recall"] > 0.7
    assert metrics["nearest"] == pytest.approx(1, abs=0.02)
    assert metrics["judge_accuracy"] > 0.8
    assert metrics["samples"] == 250
    assert metrics["frechet_reconstructions"] == metrics["frechet_train"]  # this oracle restores all


def test_copies_of_training_examples_have_neighbours_at_distance_0(cache):
    copies = generation(cache)(context(Generator(partial(drawn_from, split(400, 0)))))
    assert copies.metrics["nearest"] == 0
    assert copies.metrics["precision"] > 0.7
    shown = [image.get_array() for image in copies.figures["nearest_training_examples"].axes[0].images]
    assert len(shown) == 40
    assert all(
        (above == below).all()
        for above, below in zip(shown[:10] + shown[20:30], shown[10:20] + shown[30:], strict=True)
    )


def test_a_constant_generator_recalls_nothing(cache):
    one = generation(cache)(context(Generator(gray))).metrics
    assert one["recall"] == 0
    assert one["frechet"] > 20 * one["frechet_train"]


def test_a_generator_of_one_class_has_little_recall_and_coverage(cache):
    only = split(400, 5)
    only = Examples(only.x[only.y == 0], only.y[only.y == 0], only.factor)
    one, all_of_them = (
        generation(cache)(context(Generator(partial(drawn_from, x)))).metrics for x in (only, split(300, 7))
    )
    assert one["precision"] > 0.7
    assert one["recall"] < 0.6 * all_of_them["recall"]
    assert one["coverage"] < 0.6 * all_of_them["coverage"]


def test_conditional_models_get_the_labels_of_training_examples(cache):
    seen = []
    model = context(Generator(lambda z, y: seen.append(y) or gray(z, y)))
    model.data.train.y[model.data.train.y > 1] = 1
    generation(cache / "two")(model)
    assert set(torch.cat(seen).tolist()) == {0, 1}


def test_class_accuracy_of_a_perfect_and_of_a_constant_conditional_model(cache):
    def of_its_class(z, y):
        x = torch.rand(len(z), 1, 16, 16)
        x[:, 0, 0, :CLASSES] = nn.functional.one_hot(y.clamp_min(0), CLASSES)
        return x

    def of_class_0(z, y):
        return corner_of_code(nn.functional.one_hot(0 * y, CLASSES), y) + y.view(-1, 1, 1, 1) / 1e6

    perfect, constant = (
        generation(cache)(context(Generator(image, reads_labels=True))).metrics for image in (of_its_class, of_class_0)
    )
    assert perfect["class_accuracy"] == pytest.approx(perfect["judge_accuracy"], abs=0.08)
    assert 0.1 < constant["class_accuracy"] < 0.4
    assert "class_accuracy" not in generation(cache)(context(Generator(corner_of_code))).metrics


def test_values_outside_the_data_are_clipped(cache):
    bright, white = (generation(cache)(context(Generator(lambda z, y, v=v: gray(z, y) + v))).metrics for v in (0.5, 9))
    assert bright == white


def test_metrics_depend_on_the_seed_alone_and_leave_the_generator_alone(cache):
    state = torch.get_rng_state()
    first = generation(cache)(context(Generator(corner_of_code))).metrics
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert generation(cache)(context(Generator(corner_of_code))).metrics == first
    assert generation(cache, seed=1)(context(Generator(corner_of_code))).metrics != first


def test_samples_are_from_a_density_for_every_model_and_from_the_prior_where_there_is_one(cache):
    seen = []
    of_code = lambda z, y: seen.append(z) or corner_of_code(z, y)  # noqa: E731
    with_prior, without = (generation(cache)(context(Generator(of_code, prior=prior))) for prior in (None, NoPrior()))
    scores = ["frechet", "precision", "recall", "density", "coverage", "nearest"]
    assert {f"{name}_prior" for name in scores} <= set(with_prior.metrics)
    assert not [name for name in without.metrics if name.endswith("_prior")]
    assert {name: with_prior.metrics[name] for name in scores} == {name: without.metrics[name] for name in scores}
    assert with_prior.metrics["frechet"] < with_prior.metrics["frechet_prior"]  # codes are one-hot, not N(0, I)
    assert with_prior.facts["codes"] == "4 Gaussians and own prior"


def test_a_model_without_codes_is_sampled_from_its_prior_alone(cache):
    def none(x):
        raise NotApplicable("no code: choose another model")

    metrics = generation(cache)(context(Generator(gray, code=none))).metrics
    assert "frechet_prior" in metrics and "frechet" not in metrics
    with pytest.raises(NotApplicable):
        generation(cache)(context(Generator(gray, code=none, prior=NoPrior())))


@pytest.mark.parametrize("wrong", [{"k": 0}, {"neighbours": 0}, {"samples": 3}])
def test_counts_of_zero_are_refused(wrong, tmp_path):
    with pytest.raises(UserError) as refusal:
        generation(tmp_path, **wrong)
    assert_one_sentence(refusal.value)
