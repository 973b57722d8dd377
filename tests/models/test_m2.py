"""The semi-supervised VAE against its equations, one class after the other, and its classifier against an oracle."""

from functools import partial
from math import log
from types import SimpleNamespace

import pytest
import torch
from composing import fit, made
from conftest import same
from small_models import SHAPE, batch, make, posterior_of
from torch.distributions import Normal, kl_divergence

from aeexp.codes.gaussian import Gaussian
from aeexp.context.base import EvaluationContext
from aeexp.data.examples import Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.classification import Classification
from aeexp.models.m2 import M2
from aeexp.networks.mlp import MLP
from aeexp.types import Batch

pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")
CLASSES = 3


def model(alpha=0.5, **options):
    given = {"code": partial(Gaussian, beta=1.0), "network": MLP([5], "Tanh"), "dim": 2, **options}
    return make(M2, classes=CLASSES, alpha=alpha, **given)


def bound(made, x, y):
    """L(x, y) at z = mu, (B,)"""
    y = torch.full((len(x),), y)
    q = posterior_of(made.code, made.features(x, y)[0])
    recon = made.likelihood.nll(made.decoder(made.condition(q.mean, y)), x)
    return recon + log(CLASSES) + kl_divergence(q, Normal(0.0, 1.0)).sum(1)


@pytest.fixture
def without_noise(monkeypatch):
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)


def test_a_labelled_example_costs_its_bound_and_its_class(without_noise):
    made, (x, _) = model(), batch(6)
    y = torch.tensor([0, 1, 2, 0, 1, 2])
    terms = made.loss(Batch(x, y)).terms
    bounds = torch.stack([bound(made, x[i : i + 1], int(y[i]))[0] for i in range(6)])
    same(terms["recon"] + terms["kl"] + terms["label"], bounds)
    wrong = -made.class_probabilities(x)[torch.arange(6), y].log()
    same(terms["classifier"], 0.5 * wrong)  # where all have labels
    known = torch.arange(6) < 2
    same(made.loss(Batch(x, y.where(known, -1))).terms["classifier"], torch.where(known, 0.5 * 3 * wrong, 0.0))


def test_another_example_costs_the_mean_over_the_classes_less_the_entropy(without_noise):
    made, (x, _) = model(), batch(6)
    terms = made.loss(Batch(x, torch.full((6,), -1))).terms
    q = made.class_probabilities(x)
    bounds = torch.stack([bound(made, x, k) for k in range(CLASSES)], 1)
    expected = (q * bounds).sum(1) - torch.distributions.Categorical(q).entropy()
    same(sum(terms.values()), expected)
    assert (terms["classifier"] == 0).all()


def test_data_without_labels_have_no_classifier_to_train():
    made, (x, _) = model(), batch(6)
    loss = made.loss(Batch(x, torch.full((6,), -1)))
    assert loss.total.isfinite() and (loss.terms["classifier"] == 0).all()


def test_without_a_label_the_most_probable_one_is_taken_and_a_code_is_decoded_for_all():
    made, (x, _) = model().eval(), batch(6)
    y = made.class_probabilities(x).argmax(1)
    same(made.encode(x).mean, made.encode(x, y).mean)
    same(made.reconstruct(x), made.reconstruct(x, y))
    partly = y.where(torch.arange(6) < 3, -1)
    same(made.reconstruct(x, partly), made.reconstruct(x, y))
    z = made.encode(x).mean
    each = torch.stack([made.decode(z, torch.full((6,), k)) for k in range(CLASSES)])
    same(made.decode(z), each.mean(0))
    assert not torch.allclose(each[0], each[1])


@pytest.mark.slow
def test_a_few_labels_are_enough_where_the_classes_are_far_apart():
    torch.set_default_dtype(torch.float32)
    task, data = made("model=m2", "labels=60", "data.labelled=20", "bottleneck=6")
    fit(task.model, (some for _ in range(12) for some in data.train.batches(64)))
    context = EvaluationContext(task.model, data, None, "m2")
    found = Classification()(context).metrics
    assert found["accuracy"] > 0.6  # of ten classes
    batch = data.test[torch.arange(len(data.test))]
    assert found["accuracy"] == pytest.approx(
        (task.model.class_probabilities(batch.x).argmax(1) == batch.y).float().mean().item()
    )


def test_classification_counts_labelled_examples_alone():
    q = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6], [1.0, 0.0, 0.0]])
    test = Examples(torch.rand(4, *SHAPE), torch.tensor([0, 2, 2, -1]), 1.0)
    oracle = SimpleNamespace(class_probabilities=lambda x: q, eval=lambda: oracle)
    context = EvaluationContext(oracle, SimpleNamespace(test=test), None, "oracle")
    found = Classification()(context).metrics
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["nats"] == pytest.approx(-(log(0.7) + log(0.1) + log(0.6)) / 3, rel=1e-6)
    context.data.test = Examples(test.x, torch.full((4,), -1), 1.0)
    with pytest.raises(NotApplicable, match="choose"):
        Classification()(context)


def test_what_makes_no_semi_supervised_model_is_refused():
    with pytest.raises(UserError, match=r"code is Identity: choose code=gaussian"):
        make(M2, classes=CLASSES, alpha=0.1)
    with pytest.raises(UserError, match=r"model.alpha=-1.* choose at least 0"):
        model(alpha=-1.0)
    with pytest.raises(UserError, match=r"data.classes=None: choose data with labels"):
        make(M2, partial(Gaussian, beta=1.0), classes=None, alpha=0.1)
    with pytest.raises(NotApplicable, match="no classifier of its own: choose model=m2"):
        made("model=vae")[0].model.class_probabilities(torch.rand(1, 1, 8, 8))
