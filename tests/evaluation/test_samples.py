"""Generated samples against oracles whose decoder is known."""

from math import log, pi

import pytest
import torch
from composing import assert_one_sentence
from conftest import same
from labelled_oracle import CLASSES, DENSITY, Generator, brightness_by_label, context, corner_of_code
from torch import nn

from aeexp.context.latent_samplers import latent_samplers
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.samples import Samples
from aeexp.priors import NoPrior
from aeexp.runs.run import find


def samples(**settings):
    return Samples(**{"density": DENSITY, "classes": None, "rows": 2, "columns": 3, "seed": 0} | settings)


def means(figure):
    """The mean of each example that a picture shows."""
    return [image.get_array().mean() for image in figure.axes[0].images]


def labels(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_model_with_a_prior_is_sampled_from_it_and_from_a_density():
    model = context(Generator(corner_of_code))
    result = samples()(model)
    one_hot = nn.functional.one_hot(model.data.test.y, CLASSES).float()
    same(result.metrics["nats_prior"], 0.5 * one_hot.square().sum(1).mean().item() + 0.5 * CLASSES * log(2 * pi))
    assert result.metrics["nats"] < result.metrics["nats_prior"]
    assert result.metrics["components"] == 4
    assert {"own prior", "4 Gaussians\non the codes"} <= set(labels(result.figures["samples"]))
    assert len(means(result.figures["samples"])) == 12


def test_a_model_without_a_prior_is_sampled_from_a_density_of_its_codes():
    model = context(Generator(corner_of_code, prior=NoPrior()))
    result = samples(rows=4, columns=25)(model)
    assert result.metrics["components"] == 4
    assert "4 Gaussians\non the codes" in labels(result.figures["samples"])
    assert "nats_prior" not in result.metrics
    assert len(means(result.figures["samples"])) == 100
    z = latent_samplers(model, DENSITY)[""].prior.sample(200)
    assert ((z.amax(1) - 1).abs() < 0.2).all()  # one-hot, as the codes are
    assert set(z.argmax(1).tolist()) == set(range(CLASSES))


def test_a_conditional_model_has_a_row_of_each_class():
    model = Generator(brightness_by_label, reads_labels=True)
    figure = samples()(context(model)).figures["samples"]
    assert len({round(4 * mean) for mean in means(figure)[:12]} & {1, 2, 3, 4}) > 1  # of the training labels
    assert means(figure)[12:] == pytest.approx([(label + 1) / CLASSES for label in range(CLASSES) for _ in range(3)])
    left_out = context(model)
    left_out.data.train.y[left_out.data.train.y == 1] = -1
    assert len(means(samples()(left_out).figures["samples"])) == 12 + 3 * (CLASSES - 1)
    some = samples(classes=[2, 0])(context(model)).figures["samples"]
    assert means(some)[12:] == pytest.approx([0.75] * 3 + [0.25] * 3)
    assert "class 2\nown prior" in labels(some)


def test_an_unconditional_model_has_rows_of_classes_from_densities_of_their_codes():
    model = Generator(corner_of_code)
    assert len(means(samples()(context(model)).figures["samples"])) == 12
    figure = samples(classes=[3, 1])(context(model)).figures["samples"]
    drawn = [image.get_array()[0, :CLASSES].argmax() for image in figure.axes[0].images]
    assert drawn[12:] == [3] * 3 + [1] * 3
    assert any(text.startswith("class 3\n") and "Gaussian" in text for text in labels(figure))


def test_samples_depend_on_the_seed_alone_and_leave_the_generator_alone():
    state = torch.get_rng_state()
    first = means(samples()(context(Generator(corner_of_code))).figures["samples"])
    assert torch.equal(torch.get_rng_state(), state)
    assert means(samples()(context(Generator(corner_of_code))).figures["samples"]) == first
    assert means(samples(seed=1)(context(Generator(corner_of_code))).figures["samples"]) != first


def test_unknown_classes_and_empty_figures_are_refused():
    with pytest.raises(NotApplicable) as refusal:
        samples(classes=[CLASSES])(context(Generator(corner_of_code)))
    assert_one_sentence(refusal.value)
    for wrong in ({"rows": 0}, {"columns": 0}):
        with pytest.raises(UserError) as refusal:
            samples(**wrong)
        assert_one_sentence(refusal.value)


@pytest.mark.slow
def test_samples_by_class_and_their_scores_from_the_command_line(program, tmp_path):
    done = program("train.py", "model=conditional_vae", "trainer.max_epochs=2", "evaluation=[]", f"runs={tmp_path}")
    assert done.returncode == 0, done.stderr
    words = ["evaluation=[samples,generation]", "evaluation.samples.classes=[3,8]", f"run={tmp_path}"]
    done = program("evaluate.py", *words)
    assert done.returncode == 0, done.stderr
    (run,) = find(tmp_path)
    assert {"samples/nats", "generation/frechet", "generation/frechet_prior", "generation/recall_train"} <= set(
        run.metrics
    )
    assert {"samples.png", "nearest_training_examples.png"} <= {file.name for file in run.figures.iterdir()}
    (file,) = (tmp_path / "judges").iterdir()
    stored = {entry["protocol"]: entry for entry in run.results["protocols"]}
    assert stored["generation"]["facts"]["judge"] in file.name
    assert stored["samples"]["settings"]["classes"] == [3, 8]
