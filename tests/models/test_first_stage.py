"""The first stage of a generator: its objective, written out, and two players who move in one step."""

import pytest
import torch
from conftest import same
from small_models import SHAPE, batch, make

from aeexp.errors import UserError
from aeexp.models.first_stage import DELTA, FirstStage, Patches
from aeexp.networks.base import output_layer
from aeexp.networks.conv import Conv
from aeexp.networks.features import Map
from aeexp.networks.mlp import MLP
from aeexp.types import Batch

pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")


def patches():
    return Conv([4], [3], "LeakyReLU", Map())


def model(weight=0.5, perceptual=2.0, discriminator=None):
    return make(FirstStage, weight=weight, perceptual=perceptual, discriminator=discriminator or patches())


def players(net):
    of_discriminator = [*net.discriminator.parameters()]
    ids = {id(weight) for weight in of_discriminator}
    return [weight for weight in net.parameters() if id(weight) not in ids], of_discriminator


def gradients(term, weights):
    return [
        torch.zeros_like(weight) if gradient is None else gradient
        for weight, gradient in zip(
            weights, torch.autograd.grad(term, weights, allow_unused=True, retain_graph=True), strict=True
        )
    ]


def test_a_logit_for_each_patch_and_the_hidden_layers():
    net, (x, _) = Patches(patches(), SHAPE), batch()
    logits, hidden = net(x)
    assert logits.shape == (5, 2 * 1) and [h.shape[1:] for h in hidden] == [(4, 4, 2), (3, 2, 1)]
    logits, hidden = Patches(MLP([6], "ReLU"), SHAPE)(x)
    assert logits.shape == (5, 1) and [h.shape[1:] for h in hidden] == [(6,)]
    logits, hidden = Patches(MLP([], "ReLU"), SHAPE)(x)  # nothing is hidden
    assert logits.shape == (5, 1) and len(hidden) == 1


def test_the_objective_is_that_of_the_docstring():
    net, (x, y) = model(), batch()
    loss = net.loss(Batch(x, y))
    restored = net.reconstruct(x)
    same(loss.terms["recon"], net.likelihood.nll(net.decoder(net.encode(x).mean), x))
    (on_x, hidden_of_x), (on_restored, hidden) = net.discriminator(x), net.discriminator(restored)
    hinges = torch.stack(
        [(1 - a).clamp_min(0) + (1 + b).clamp_min(0) for a, b in zip(on_x.T, on_restored.T, strict=True)]
    )
    same(loss.terms["discriminator"], hinges.mean(0))
    errors = [((a - b) ** 2).flatten(1).mean(1) for a, b in zip(hidden, hidden_of_x, strict=True)]
    same(loss.terms["perceptual"], 2.0 * 8 * (errors[0] + errors[1]) / 2)
    fooling = -on_restored.mean(1)
    last = [output_layer(net.decoder)[1].weight]
    of_recon, of_fooling = (gradients(term.mean(), last)[0].norm() for term in (loss.terms["recon"], fooling))
    same(loss.terms["generator"], 0.5 * of_recon / (of_fooling + DELTA) * fooling)
    assert set(loss.terms) == {"recon", "perceptual", "generator", "discriminator"}


def test_each_player_minimises_its_own_part_in_one_step():
    net, (x, y) = model(), batch()
    loss = net.loss(Batch(x, y))
    own, of_discriminator = players(net)
    of_game = gradients(loss.means["discriminator"], of_discriminator)
    assert sum(gradient.abs().sum() for gradient in of_game) > 0
    for found, expected in zip(gradients(loss.total, of_discriminator), of_game, strict=True):
        same(found, expected)
    assert all((gradient == 0).all() for gradient in gradients(loss.means["discriminator"], own))
    assert sum(gradient.abs().sum() for gradient in gradients(loss.means["generator"], own)) > 0


def test_in_eval_mode_the_game_is_measured_and_not_minimised():
    net, (x, y) = model().eval(), batch()
    with torch.no_grad():
        loss = net.loss(Batch(x, y))
    assert set(loss.terms) == {"recon", "perceptual"}
    assert {"generator", "discriminator", "discriminator_accuracy"} <= set(loss.stats)


def test_a_perfect_reconstruction_costs_nothing_but_the_game():
    net, (x, y) = model(), batch()
    net.likelihood.mean = lambda theta: x
    loss = net.loss(Batch(x, y))
    assert (loss.terms["perceptual"] == 0).all()


@pytest.mark.parametrize("options", [{"weight": -1.0}, {"perceptual": -0.1}])
def test_a_negative_weight_is_refused(options):
    with pytest.raises(UserError, match="are weights: choose at least 0"):
        model(**options)
