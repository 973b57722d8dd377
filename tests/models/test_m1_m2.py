"""M1+M2: each stage against the model that it is, and what passes from one to the other."""

from functools import partial

import pytest
import torch
from composing import fit, made
from conftest import same
from small_models import batch, make

from aeexp.codes.gaussian import Gaussian
from aeexp.context.base import EvaluationContext
from aeexp.errors import NotApplicable
from aeexp.evaluation.classification import Classification
from aeexp.models.m1_m2 import M1M2
from aeexp.models.regularized import Regularized
from aeexp.networks.mlp import MLP
from aeexp.types import Batch

pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")
PARTS = {"code": partial(Gaussian, beta=1.0), "network": MLP([5], "Tanh"), "dim": 2}
Y = torch.tensor([0, 1, 2, -1, -1])


def model():
    return make(M1M2, classes=3, alpha=0.5, **PARTS)


def test_the_first_stage_is_a_vae_and_the_second_is_m2_of_its_codes():
    net, (x, _) = model(), batch()
    vae = make(Regularized, **PARTS)
    vae.load_state_dict({name: value for name, value in net.state_dict().items() if not name.startswith("m2.")})
    net.stage = 1
    torch.manual_seed(4)
    first = net.loss(Batch(x, Y)).terms
    torch.manual_seed(4)
    assert first.keys() == {"recon", "kl"}
    for name, term in vae.loss(Batch(x, Y)).terms.items():
        same(first[name], term)
    net.stage = 2
    torch.manual_seed(4)
    second = net.loss(Batch(x, Y)).terms
    torch.manual_seed(4)
    z_1 = vae.encode(x).z
    for name, term in net.m2.loss(Batch(z_1, Y)).terms.items():
        same(second[f"m2_{name}"], term)
    assert len(second) == 4


def test_nothing_of_the_first_moves_in_the_second_stage():
    net, (x, _) = model(), batch()
    net.stage = 2
    net.loss(Batch(x, Y)).total.backward()
    moved = {name.split(".")[0] for name, parameter in net.named_parameters() if parameter.grad is not None}
    assert moved == {"m2"}


def test_in_eval_mode_the_objective_is_that_of_both_whatever_the_stage():
    net, (x, _) = model().eval(), batch()
    for net.stage in (0, 1, 2):
        assert net.loss(Batch(x, Y)).terms.keys() == {"recon", "kl", "m2_recon", "m2_kl", "m2_label", "m2_classifier"}


def test_a_code_passes_through_both():
    net, (x, _) = model().eval(), batch()
    z_1 = net.code(net.encoder(x)).mean
    same(net.encode(x).mean, net.m2.encode(z_1).mean)
    same(net.class_probabilities(x), net.m2.class_probabilities(z_1))
    same(net.reconstruct(x), net.decoder(net.m2.reconstruct(z_1)).sigmoid())
    z_2 = net.encode(x).mean
    same(net.decode(z_2, Y.clamp_min(0)), net.decoder(net.m2.decode(z_2, Y.clamp_min(0))).sigmoid())
    for asked in (lambda: net.posterior(x), lambda: net.log_likelihood(x, z_2)):
        with pytest.raises(NotApplicable):
            asked()


@pytest.mark.slow
def test_a_few_labels_are_enough_where_the_classes_are_far_apart():
    torch.set_default_dtype(torch.float32)
    task, data = made("model=m1_m2", "labels=100", "data.labelled=50", "bottleneck=16")
    for task.model.stage, epochs in ((1, 15), (2, 10)):
        fit(task.model, (some for _ in range(epochs) for some in data.train_dataloader()))
    assert Classification()(EvaluationContext(task.model, data, None, "m1_m2")).metrics["accuracy"] > 0.6  # of ten
