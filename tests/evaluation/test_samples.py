"""Protocols of generation against oracles: models that draw real examples, copies, one example, and one class."""

from functools import partial
from math import log, pi
from types import SimpleNamespace

import pytest
import torch
from composing import assert_one_sentence
from conftest import same
from labelled_oracle import CLASSES, Oracle, context, corner, split
from torch import nn

from aeexp.context import judge
from aeexp.context.judge import Features
from aeexp.context.latent_samplers import GaussianMixtureDensity, latent_sampler, reads_labels
from aeexp.data.examples import Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.generation import Generation
from aeexp.evaluation.samples import Samples
from aeexp.priors import NoPrior, StandardNormal
from aeexp.runs.run import find

DENSITY = GaussianMixtureDensity(components=4, examples=1000, per_unit=5, iterations=50, floor=1e-4, seed=0)
SIZES = {"channels": [8], "hidden": 16, "width": 12, "epochs": 6, "batch_size": 20, "lr": 0.01, "seed": 0}


def features(folder, **settings):
    return Features(**{"cache": str(folder), **SIZES} | settings)


def generation(folder, **settings):
    defaults = {"features": features(folder), "density": DENSITY, "samples": 250, "k": 3, "neighbours": 60, "seed": 0}
    return Generation(**defaults | settings)


def samples(**settings):
    return Samples(**{"density": DENSITY, "classes": None, "rows": 2, "columns": 3, "seed": 0} | settings)


class Kind(Oracle):
    """Draws z from N(0, I), or has no prior, and its images are image(z, y)."""

    def __init__(self, image, code=corner, prior=None):
        super().__init__(code)
        self.drawn, self.prior = image, prior or StandardNormal(CLASSES)

    def decode(self, z, y=None):
        return self.drawn(z, y)


def of(examples, z, y):
    return examples[torch.randint(len(examples), (len(z),))].x


def gray(z, y):
    return torch.full((len(z), 1, 16, 16), 0.5)


def coloured_by_label(z, y):
    """The class is the brightness, 1 at the last; -1, no class, is black."""
    return ((y + 1) / CLASSES).view(-1, 1, 1, 1).expand(-1, 1, 16, 16)


def corner_of_code(z, y):
    """What is in the code is in the corner: the inverse of `corner`."""
    x = torch.zeros(len(z), 1, 16, 16)
    x[:, 0, 0, :CLASSES] = z
    return x


def means(figure):
    """The mean of each example that a picture shows."""
    return [image.get_array().mean() for image in figure.axes[0].images]


def labels(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("features")


# scores


def test_real_examples_are_as_good_as_real_examples(kept):
    metrics = generation(kept)(context(Kind(partial(of, split(300, 7))))).metrics
    assert 1 / 4 < metrics["frechet"] / metrics["frechet_train"] < 4
    for name in ("precision", "recall"):
        assert metrics[name] == pytest.approx(metrics[f"{name}_train"], abs=0.12)
    assert metrics["precision"] > 0.7
    assert metrics["recall"] > 0.7
    assert metrics["nearest"] == pytest.approx(1, abs=0.02)
    assert metrics["accuracy"] > 0.8
    assert metrics["samples"] == 250
    assert metrics["frechet_reconstructions"] == metrics["frechet_train"]  # this oracle restores all


def test_copies_of_training_examples_are_found_out_by_their_neighbours_alone(kept):
    copies = generation(kept)(context(Kind(partial(of, split(400, 0)))))
    assert copies.metrics["nearest"] == 0
    assert copies.metrics["precision"] > 0.7
    shown = [image.get_array() for image in copies.figures["nearest_training_examples"].axes[0].images]
    assert len(shown) == 20
    assert all((above == below).all() for above, below in zip(shown[:10], shown[10:], strict=True))


def test_one_example_again_and_again_recalls_nothing(kept):
    one = generation(kept)(context(Kind(gray))).metrics
    assert one["recall"] == 0
    assert one["frechet"] > 20 * one["frechet_train"]


def test_one_class_alone_is_recalled_in_part(kept):
    only = split(400, 5)
    only = Examples(only.x[only.y == 0], only.y[only.y == 0], only.factor)
    one, all_of_them = (generation(kept)(context(Kind(partial(of, x)))).metrics for x in (only, split(300, 7)))
    assert one["precision"] > 0.7
    assert one["recall"] < 0.6 * all_of_them["recall"]


def test_kinds_that_read_labels_get_those_of_the_training_examples(kept):
    seen = []
    told = context(Kind(lambda z, y: seen.append(y) or gray(z, y)))
    told.data.train.y[told.data.train.y > 1] = 1
    generation(kept / "two")(told)
    assert set(torch.cat(seen).tolist()) == {0, 1}


def test_kinds_that_read_labels_are_asked_whether_they_obey(kept):
    def obedient(z, y):
        x = torch.rand(len(z), 1, 16, 16)
        x[:, 0, 0, :CLASSES] = nn.functional.one_hot(y.clamp_min(0), CLASSES)
        return x

    def deaf_but_for_one_pixel(z, y):
        return corner_of_code(nn.functional.one_hot(0 * y, CLASSES), y) + y.view(-1, 1, 1, 1) / 1e6

    obeys, ignores = (generation(kept)(context(Kind(image))).metrics for image in (obedient, deaf_but_for_one_pixel))
    assert obeys["agreement"] == pytest.approx(obeys["accuracy"], abs=0.08)
    assert 0.1 < ignores["agreement"] < 0.4
    assert "agreement" not in generation(kept)(context(Kind(corner_of_code))).metrics


def test_values_outside_the_data_are_cut(kept):
    bright, white = (generation(kept)(context(Kind(lambda z, y, v=v: gray(z, y) + v))).metrics for v in (0.5, 9))
    assert bright == white


def test_scores_depend_on_the_seed_alone_and_disturb_nothing(kept):
    state = torch.get_rng_state()
    first = generation(kept)(context(Kind(corner_of_code))).metrics
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert generation(kept)(context(Kind(corner_of_code))).metrics == first
    assert generation(kept, seed=1)(context(Kind(corner_of_code))).metrics != first


@pytest.mark.parametrize("wrong", [{"k": 0}, {"neighbours": 0}, {"samples": 3}])
def test_scores_of_nothing_are_refused(wrong, tmp_path):
    with pytest.raises(UserError) as refusal:
        generation(tmp_path, **wrong)
    assert_one_sentence(refusal.value)


# the classifier


def test_a_classifier_is_trained_once_and_kept_with_its_accuracy(tmp_path, monkeypatch):
    data = context(Oracle(corner)).data
    first = features(tmp_path).of(data)
    (file,) = tmp_path.iterdir()
    assert file.name == f"classifier-{first.digest}.ckpt"
    monkeypatch.setattr(judge, "train_classifier", lambda *_: pytest.fail("trained again"))
    again = features(tmp_path).of(data)
    x = data.test[torch.arange(20)].x
    assert torch.equal(first.describe(x), again.describe(x))
    assert first.describe(x).shape == (20, 12)
    right = again.classifier(data.test[torch.arange(300)].x).argmax(1) == data.test.y
    assert first.accuracy == again.accuracy == pytest.approx(right.double().mean().item())
    assert first.accuracy > 0.8


def test_a_digest_is_of_the_examples_and_settings_and_not_of_the_place(tmp_path):
    def digest(folder="a", change=lambda data: None, **settings):
        data = context(Oracle(corner)).data
        change(data)
        return features(tmp_path / folder, **{"epochs": 1} | settings).of(data).digest

    def relabelled(data):
        data.train.y[0] = (data.train.y[0] + 1) % CLASSES

    def repainted(data):
        data.train.x[0, 0, 5, 5] += 1

    assert digest() == digest("b")
    others = [digest(seed=1), digest(lr=0.1), digest(width=9), digest(change=relabelled), digest(change=repainted)]
    assert len({digest(), *others}) == 6


def test_a_damaged_or_impossible_place_is_told_in_a_sentence(tmp_path):
    data = context(Oracle(corner)).data
    known = features(tmp_path, epochs=1).of(data)
    (tmp_path / f"classifier-{known.digest}.ckpt").write_bytes(b"half")
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"evaluation\.generation\.features\.cache") as refusal:
            features(place, epochs=1).of(data)
        assert_one_sentence(str(refusal.value).replace(str(tmp_path), ""))


@pytest.mark.parametrize("shape", [(3, 9, 7), (1, 1, 1), (11,), (5, 4)])
def test_a_classifier_reads_any_shape_and_scale(tmp_path, shape):
    y = torch.arange(120) % 2
    x = torch.rand(120, *shape, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.5 * y.view(-1, *[1] * len(shape))
    part = Examples(x, y, 255.0)
    data = SimpleNamespace(train=part, test=part, shape=shape, classes=2, scale=255.0)
    assert features(tmp_path).of(data).accuracy > 0.95


def test_data_without_two_classes_are_refused(tmp_path):
    for left in (-1, 2):
        data = context(Oracle(corner)).data
        data.train.y = torch.full_like(data.train.y, left)
        with pytest.raises(NotApplicable) as refusal:
            features(tmp_path).of(data)
        assert_one_sentence(refusal.value)


def test_unlabelled_examples_are_not_learnt_from(tmp_path):
    data = context(Oracle(corner)).data
    data.train.y[100:] = -1
    known = features(tmp_path).of(data)
    data.train.x[100:] = 0
    assert features(tmp_path).of(data).digest == known.digest


# samples


def test_a_kind_with_a_prior_draws_from_it_and_is_scored_under_it():
    model = context(Kind(corner_of_code))
    result = samples()(model)
    one_hot = nn.functional.one_hot(model.data.test.y, CLASSES).float()
    same(result.metrics["nats"], 0.5 * one_hot.square().sum(1).mean().item() + 0.5 * CLASSES * log(2 * pi))
    assert result.metrics["components"] == 0
    assert "own prior" in labels(result.figures["samples"])
    assert len(means(result.figures["samples"])) == 6


def test_a_kind_without_one_draws_from_a_density_of_its_codes():
    model = context(Kind(corner_of_code, prior=NoPrior()))
    result = samples(rows=4, columns=25)(model)
    assert result.metrics["components"] == 4
    assert "4 Gaussians\non the codes" in labels(result.figures["samples"])
    assert result.metrics["nats"] < samples()(context(Kind(corner_of_code))).metrics["nats"]
    z = latent_sampler(model, DENSITY).prior.sample(200)
    assert ((z.amax(1) - 1).abs() < 0.2).all()  # one-hot, as the codes are
    assert set(z.argmax(1).tolist()) == set(range(CLASSES))


def test_a_kind_that_reads_labels_has_a_row_of_each_class():
    told = Kind(coloured_by_label)
    figure = samples()(context(told)).figures["samples"]
    assert means(figure)[:6] == [0] * 6  # without a label
    assert means(figure)[6:] == pytest.approx([(label + 1) / CLASSES for label in range(CLASSES) for _ in range(3)])
    assert reads_labels(told, told.prior)
    left_out = context(told)
    left_out.data.train.y[left_out.data.train.y == 1] = -1
    assert len(means(samples()(left_out).figures["samples"])) == 6 + 3 * (CLASSES - 1)
    some = samples(classes=[2, 0])(context(told)).figures["samples"]
    assert means(some)[6:] == pytest.approx([0.75] * 3 + [0.25] * 3)
    assert "class 2\nown prior" in labels(some)


def test_another_kind_has_rows_of_classes_by_densities_of_their_codes():
    model = Kind(corner_of_code)
    assert not reads_labels(model, model.prior)
    assert len(means(samples()(context(model)).figures["samples"])) == 6
    figure = samples(classes=[3, 1])(context(model)).figures["samples"]
    drawn = [image.get_array()[0, :CLASSES].argmax() for image in figure.axes[0].images]
    assert drawn[6:] == [3] * 3 + [1] * 3
    assert any(text.startswith("class 3\n") and "Gaussian" in text for text in labels(figure))


def test_samples_depend_on_the_seed_alone_and_disturb_nothing():
    state = torch.get_rng_state()
    first = means(samples()(context(Kind(corner_of_code))).figures["samples"])
    assert torch.equal(torch.get_rng_state(), state)
    assert means(samples()(context(Kind(corner_of_code))).figures["samples"]) == first
    assert means(samples(seed=1)(context(Kind(corner_of_code))).figures["samples"]) != first


def test_classes_that_nobody_saw_and_pictures_of_nothing_are_refused():
    with pytest.raises(NotApplicable) as refusal:
        samples(classes=[CLASSES])(context(Kind(corner_of_code)))
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
    assert {"samples/nats", "generation/frechet", "generation/recall_train"} <= set(run.metrics)
    assert {"samples.png", "nearest_training_examples.png"} <= {file.name for file in run.figures.iterdir()}
    (file,) = (tmp_path / "features").iterdir()
    stored = {entry["protocol"]: entry for entry in run.results["protocols"]}
    assert stored["generation"]["facts"]["classifier"] in file.name
    assert stored["samples"]["settings"]["classes"] == [3, 8]
