"""The judge: trained once with early stopping, kept in a cache, and refused under its gate."""

from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
from composing import assert_one_sentence
from labelled_oracle import CLASSES, Oracle, context, corner

from aeexp.context.judge import Classifier, Judge
from aeexp.data.examples import Examples
from aeexp.errors import NotApplicable, UserError

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


def test_it_is_trained_once_and_kept_with_its_accuracies(tmp_path, monkeypatch):
    data = context(Oracle(corner)).data
    first = judge(tmp_path).train(data)
    (file,) = tmp_path.iterdir()
    assert file.name == f"classifier-{first.digest}.ckpt"
    monkeypatch.setattr("aeexp.context.judge.best_epoch", lambda *_: pytest.fail("trained again"))
    again = judge(tmp_path).train(data)
    x = data.test[torch.arange(20)].x
    assert torch.equal(first.describe(x), again.describe(x))
    assert first.describe(x).shape == (20, 12)
    right = again.classifier(data.test[torch.arange(300)].x).argmax(1) == data.test.y
    assert first.accuracy == again.accuracy == pytest.approx(right.double().mean().item())
    assert first.accuracy > 0.8
    assert first.val_accuracy == again.val_accuracy > 0.8
    assert 1 <= first.epochs <= SETTINGS["epochs"]


def test_its_digest_is_of_the_examples_and_settings_and_not_of_the_cache(tmp_path):
    def digest(folder="a", change=lambda data: None, **settings):
        data = context(Oracle(corner)).data
        change(data)
        return judge(tmp_path / folder, **{"epochs": 1} | settings).train(data).digest

    def relabelled(data):
        data.train.y[0] = (data.train.y[0] + 1) % CLASSES

    def repainted(data):
        data.train.x[0, 0, 5, 5] += 1

    assert digest() == digest("b")
    others = [digest(seed=1), digest(lr=0.1), digest(width=9), digest(change=relabelled), digest(change=repainted)]
    assert len({digest(), *others}) == 6


def test_a_damaged_or_impossible_cache_is_an_error_of_one_sentence(tmp_path):
    data = context(Oracle(corner)).data
    known = judge(tmp_path, epochs=1).train(data)
    (tmp_path / f"classifier-{known.digest}.ckpt").write_bytes(b"half")
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"evaluation\.generation\.judge\.cache") as refusal:
            judge(place, epochs=1).train(data)
        assert_one_sentence(str(refusal.value).replace(str(tmp_path), ""))


@pytest.mark.parametrize("shape", [(3, 9, 7), (1, 1, 1), (11,), (5, 4)])
def test_it_reads_any_shape_and_scale(tmp_path, shape):
    y = torch.arange(120) % 2
    x = torch.rand(120, *shape, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.5 * y.view(-1, *[1] * len(shape))
    part = Examples(x, y, 255.0)
    data = SimpleNamespace(train=part, val=part, test=part, name=None, shape=shape, classes=2, scale=255.0)
    assert judge(tmp_path).train(data).accuracy > 0.95


def test_data_without_two_classes_are_not_applicable(tmp_path):
    for left in (-1, 2):
        data = context(Oracle(corner)).data
        data.train.y = torch.full_like(data.train.y, left)
        with pytest.raises(NotApplicable) as refusal:
            judge(tmp_path).train(data)
        assert_one_sentence(refusal.value)


def test_unlabelled_examples_are_left_out_of_its_training(tmp_path):
    data = context(Oracle(corner)).data
    data.train.y[100:] = -1
    known = judge(tmp_path).train(data)
    data.train.x[100:] = 0
    assert judge(tmp_path).train(data).digest == known.digest


def test_it_keeps_the_weights_of_its_best_epoch_and_stops_after_its_patience(tmp_path, monkeypatch):
    losses, weights = iter([0.5, 0.3, 0.1, 0.4, 0.2]), []

    def loss(classifier, _):
        weights.append(deepcopy(classifier.state_dict()))
        return next(losses)

    monkeypatch.setattr("aeexp.context.judge.mean_loss", loss)
    data = context(Oracle(corner)).data
    classifier = Classifier(data.shape, CLASSES, 1.0, [4], 8, 6)
    kept = judge(tmp_path, patience=2, epochs=50, sufficient=1.0)._fit(classifier, data.train, data.val)
    assert kept["epochs"] == 3
    assert all(torch.equal(value, weights[2][name]) for name, value in kept["weights"].items())
    assert not torch.equal(weights[2]["head.weight"], weights[4]["head.weight"])


def test_it_stops_at_a_sufficient_accuracy(tmp_path):
    data = context(Oracle(corner)).data
    assert judge(tmp_path, sufficient=0.0, epochs=50).train(data).epochs == 1
    sufficient = judge(tmp_path, sufficient=0.5, epochs=50).train(data)
    assert sufficient.val_accuracy >= 0.5
    assert sufficient.epochs < judge(tmp_path, epochs=50, patience=5).train(data).epochs


def test_under_its_gate_it_does_not_judge(tmp_path):
    for settings in ({"gate": 1.0}, {"gate": 0.0, "gates": {"corners": 1.0}}):
        shuffled = context(Oracle(corner)).data
        shuffled.train.y = shuffled.train.y.roll(1)
        with pytest.raises(NotApplicable, match="below its gate") as refusal:
            judge(tmp_path, epochs=1, **settings).train(shuffled)
        assert_one_sentence(refusal.value)
    judge(tmp_path, epochs=1, gate=1.0, gates={"corners": 0.0}).train(shuffled)


@pytest.mark.parametrize(
    "wrong", [{"patience": 0}, {"gate": 1.5}, {"sufficient": -1.0}, {"gates": {"corners": -0.1}}, {"channels": []}]
)
def test_impossible_settings_are_refused(tmp_path, wrong):
    with pytest.raises(UserError) as refusal:
        judge(tmp_path, **wrong)
    assert_one_sentence(refusal.value)
