"""The sparse kinds, the contractive, the variational ones and convolutional decoders against their equations."""

from functools import partial

import pytest
import torch
from test_equations import SHAPE, batch, make, repeatable_and_in_double_precision, same
from torch import nn
from torch.autograd.functional import jacobian

from aeexp.codes.identity import Identity
from aeexp.codes.sparse import KL, L1
from aeexp.codes.topk import TopK as TopKCode
from aeexp.errors import UserError
from aeexp.likelihoods import SquaredError
from aeexp.models.contractive import Contractive, Hutchinson
from aeexp.models.plain import Plain
from aeexp.models.topk import TopK
from aeexp.networks.conv import Conv
from aeexp.networks.mlp import MLP
from aeexp.training.task import Tally
from aeexp.types import Batch

__all__ = ["repeatable_and_in_double_precision"]  # the fixture, which all tests here use


def read(code, *batches):
    """What is logged of an epoch of these batches of features."""
    tally = Tally()
    for h in batches:
        tally.add("val", len(h), code(h).stats)
    return {name.removeprefix("val/"): value for name, value in tally.means("val").items()}


# sparse codes


@pytest.mark.parametrize(
    ("code", "active"),
    [
        (partial(L1, activation="ReLU", weight=1.0), lambda z: z > 0),
        (partial(KL, weight=1.0, rho=0.1), lambda z: z > 0.5),
        (partial(Identity, activation="ReLU"), lambda z: z > 0),
        (partial(TopKCode, k=2), lambda z: z.abs() > 0),
    ],
    ids=["l1", "kl", "relu", "topk"],
)
@pytest.mark.parametrize("positions", [(), (2, 3)], ids=str)
def test_active_and_dead_units_are_counted_over_the_whole_epoch(code, active, positions):
    module, h = code(6, 5), torch.randn(30, *positions, 6)
    with torch.no_grad():
        linear_of(module).weight[1:3] = 0
        linear_of(module).bias[1:3] = torch.tensor([-9.0, 4.0])  # never and always, where the sign decides
        on = active(module(h).z).flatten(0, -2)  # (n, 5)
    found = read(module, h[:17], h[17:18], h[18:])
    same(found["l0"], on.double().sum(1).mean(), check_dtype=False)
    same(found["active_fraction"], on.double().mean(), check_dtype=False)
    assert found["dead"] == (~on.any(0)).sum()
    if not isinstance(module, TopKCode):
        assert found["dead"] >= 1 and read(module, h[:1])["dead"] >= found["dead"]


def test_a_unit_that_one_batch_of_an_epoch_uses_is_not_dead():
    code = Identity(2, 2, "ReLU")
    with torch.no_grad():
        code.project[0].weight.copy_(torch.eye(2))
        code.project[0].bias.zero_()
    one, other = torch.tensor([[1.0, -1.0]]), torch.tensor([[-1.0, 1.0]])
    assert [read(code, *h)["dead"] for h in ([one], [other], [one, other])] == [1, 1, 0]


def linear_of(module):
    return next(layer for layer in module.modules() if isinstance(layer, nn.Linear))


# topk


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("positions", [(), (2, 3)], ids=str)
def test_topk_keeps_exactly_the_k_largest(k, positions):
    code, h = TopKCode(6, 5, k), torch.randn(40, *positions, 6)
    z, a = code(h).z.flatten(0, -2), linear_of(code)(h).flatten(0, -2)
    for one, all_ in zip(z, a, strict=True):
        smallest = sorted(all_.tolist())[-k]
        same(one, torch.where(all_ >= smallest, all_, 0))
    assert ((z != 0).sum(1) == k).all()


def test_topk_keeps_k_also_of_equal_units():
    code = TopKCode(6, 5, 2)
    nn.init.zeros_(code.project.weight)
    nn.init.ones_(code.project.bias)
    assert (code(torch.randn(4, 6)).z != 0).sum(1).tolist() == [2] * 4


def test_topk_of_all_units_is_the_plain_code():
    topk, plain = make(Plain, partial(TopKCode, k=3)), make(Plain, partial(Identity, activation="Identity"))
    plain.load_state_dict(dict(zip(plain.state_dict(), topk.state_dict().values(), strict=True)))
    data = batch()
    same(topk.loss(data).terms, plain.loss(data).terms)


@pytest.mark.parametrize("k", [0, 6])
def test_topk_refuses_a_k_that_its_units_do_not_have(k):
    with pytest.raises(UserError, match=f"code.k={k} of bottleneck.dim=5 .* choose"):
        TopKCode(6, 5, k)


def topk_model(dead_after=100, k_aux=2, **parts):
    return make(TopK, partial(TopKCode, k=2), dim=6, alpha=0.5, k_aux=k_aux, dead_after=dead_after, **parts)


def silence(model, *units):
    with torch.no_grad():
        linear_of(model.code).bias[list(units)] = -50.0


def test_a_unit_is_dead_after_so_many_training_examples_without_it():
    model, data = topk_model(), batch(30)
    silence(model, 1, 4)
    used = (model.encode(data.x).z != 0).any(0)
    assert used.sum() >= 2 and not used[[1, 4]].any()
    for _ in range(3):
        model.loss(data)
    model.eval().loss(data)
    assert model.silent.tolist() == [0 if each else 90 for each in used]
    assert model.loss(data).terms["auxk"].eq(0).all()  # 90 are fewer than 100
    model.train().loss(data)
    assert model.loss(data).terms["auxk"].gt(0).all()


@pytest.mark.parametrize(("k_aux", "dead"), [(2, [1, 3, 4, 5]), (2, [3]), (6, [0, 2])])
def test_auxk_is_the_residual_less_what_dead_units_say_of_it(k_aux, dead):
    model, (x, y) = topk_model(k_aux=k_aux, likelihood=SquaredError("Identity")).eval(), batch(7)
    model.silent[dead] = 100
    layer, out = linear_of(model.code), linear_of(model.decoder)
    expected = []
    for one in x.flatten(1):  # the paper's words, an example at a time
        a = layer.weight @ one + layer.bias
        z, z_aux = torch.zeros(6), torch.zeros(6)
        for j in sorted(range(6), key=lambda j: -a[j])[:2]:
            z[j] = a[j]
        for j in sorted(dead, key=lambda j: -a[j])[:k_aux]:
            z_aux[j] = a[j]
        e = one - (out.weight @ z + out.bias)
        expected.append((e - out.weight @ z_aux).square().sum())
    terms = model.loss(Batch(x, y)).terms
    same(terms["auxk"], 0.5 * torch.stack(expected))
    same(terms["recon"], (x - model.reconstruct(x)).square().sum((1, 2, 3)))


def test_auxk_gives_dead_units_a_gradient_that_reconstruction_does_not_and_moves_no_living_one():
    model, data = topk_model(), batch(30)
    silence(model, 1, 4)
    model.silent.fill_(100)
    model.silent[[0, 2, 3, 5]] = 0
    terms, weight = model.eval().loss(data).terms, linear_of(model.code).weight
    reached = [
        torch.autograd.grad(terms[name].sum(), weight, retain_graph=True)[0].abs().sum(1) for name in ("recon", "auxk")
    ]
    assert (reached[0] > 0).tolist() == (model.encode(data.x).z != 0).any(0).tolist()
    assert (reached[1] > 0).tolist() == [False, True, False, False, True, False]


def test_topk_without_dead_units_is_the_plain_objective_of_its_code():
    model, data = topk_model(network=MLP([5], "Tanh")), batch()
    plain = make(Plain, partial(TopKCode, k=2), MLP([5], "Tanh"), dim=6)
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if name != "silent"})
    same(model.loss(data).total, plain.loss(data).total)


def test_topk_refuses_other_codes_and_units_that_are_not_there():
    with pytest.raises(UserError, match=r"model=topk .* the code is Identity: choose code=topk"):
        make(TopK, alpha=1.0, k_aux=1, dead_after=1)
    with pytest.raises(UserError, match=r"k_aux=7 of bottleneck.dim=6 .* choose"):
        topk_model(k_aux=7)


# contractive, by Hutchinson's estimate


@pytest.mark.parametrize("probes", [1, 3])
@pytest.mark.parametrize(
    "network", [MLP([], "ReLU"), MLP([6, 5], "Tanh"), Conv([2], [3], "Sigmoid")], ids=["shallow", "deep", "conv"]
)
def test_hutchinson_is_unbiased_and_has_the_variance_of_its_probes(network, probes):
    model, x, n = make(Hutchinson, network=network, weight=0.1, probes=probes), torch.rand(1, *SHAPE), 20_000
    J = jacobian(lambda one: model.encode(one).mean.flatten(), x).flatten(1)
    K = J @ J.T
    estimates = model.jacobian_norm(x.expand(n, *SHAPE)).detach()
    variance = 2 * (K.square().sum() - K.diag().square().sum()) / probes  # of v^T K v, where v is of signs
    assert (estimates.mean() - J.square().sum()).abs() < 5 * (variance / n).sqrt()
    same(estimates.var(), variance, rtol=0.1, atol=0)


def test_hutchinson_of_one_unit_is_exact_and_its_gradient_too():
    estimate = make(Hutchinson, network=MLP([5], "Tanh"), dim=1, weight=2.0, probes=1)
    exact = make(Contractive, network=MLP([5], "Tanh"), dim=1, weight=2.0)
    exact.load_state_dict(estimate.state_dict())
    data = batch()
    losses = [model.loss(data) for model in (estimate, exact)]
    same(losses[0].terms, losses[1].terms)
    same(
        *(
            torch.autograd.grad(loss.total, list(model.parameters()))
            for loss, model in zip(losses, (estimate, exact), strict=True)
        )
    )


def test_hutchinson_gradient_is_unbiased():
    model, n = make(Hutchinson, network=MLP([4], "Tanh"), weight=1.0, probes=2), 20_000
    exact = make(Contractive, network=MLP([4], "Tanh"), weight=1.0)
    exact.load_state_dict(model.state_dict())
    x = torch.rand(1, *SHAPE)
    weight, other = model.encoder[1].weight, exact.encoder[1].weight
    (found,) = torch.autograd.grad(model.jacobian_norm(x.expand(n, *SHAPE)).mean(), weight)
    (expected,) = torch.autograd.grad(exact.jacobian_norm(x).sum(), other)
    assert (found - expected).norm() < 0.03 * expected.norm()


def test_hutchinson_draws_anew_for_each_example_and_each_step():
    model, x = make(Hutchinson, weight=0.1, probes=1), torch.rand(1, *SHAPE)
    one, two = (model.jacobian_norm(x.expand(50, *SHAPE)) for _ in range(2))
    assert len(one.unique()) > 1 and not torch.equal(one, two)


def test_hutchinson_refuses_to_have_no_probe():
    with pytest.raises(UserError, match=r"model.probes .* 0: choose"):
        make(Hutchinson, weight=0.1, probes=0)
