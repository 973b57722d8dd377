"""The sparse models, the contractive, the variational ones and convolutional decoders against their equations."""

from functools import partial
from math import sqrt

import pytest
import pytorch_lightning as pl
import torch
from conftest import same
from small_models import SHAPE, batch, make, posterior_of
from torch import nn
from torch.autograd.functional import jacobian
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence
from torch.nn.functional import normalize

from aeexp.app import session
from aeexp.app.components import make_data, make_model, make_task
from aeexp.app.sweep import points, quoted
from aeexp.codes.gaussian import Capacity, FreeBits, Gaussian
from aeexp.codes.identity import Identity
from aeexp.codes.sparse import KL, L1
from aeexp.codes.topk import TopK as TopKCode
from aeexp.corruptions import Masking
from aeexp.errors import NotApplicable, UserError
from aeexp.likelihoods import SquaredError
from aeexp.models.contractive import Contractive, Hutchinson
from aeexp.models.iwae import IWAE
from aeexp.models.regularized import Regularized
from aeexp.models.topk import TopK
from aeexp.networks.conv import Conv, ConvTransposed, ConvUnpool
from aeexp.networks.features import Vector
from aeexp.networks.mlp import MLP
from aeexp.runs.run import Run
from aeexp.training.schedules import Warmup
from aeexp.training.task import Tally, Task
from aeexp.types import Batch

pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")


def read(code, *batches):
    """What is logged of an epoch of these batches of features."""
    tally = Tally()
    for h in batches:
        tally.add("val", len(h), tally.averaged(code(h).stats))
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
        code.project.weight.copy_(torch.eye(2))
        code.project.bias.zero_()
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
    topk, plain = make(Regularized, partial(TopKCode, k=3)), make(Regularized, partial(Identity, activation="Identity"))
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
    assert model.inactive_for.tolist() == [0 if each else 90 for each in used]
    assert model.loss(data).terms["auxk"].eq(0).all()  # 90 are fewer than 100
    model.train().loss(data)
    assert model.loss(data).terms["auxk"].gt(0).all()


@pytest.mark.parametrize(("k_aux", "dead"), [(2, [1, 3, 4, 5]), (2, [3]), (6, [0, 2])])
def test_auxk_is_the_residual_less_what_dead_units_say_of_it(k_aux, dead):
    model, (x, y) = topk_model(k_aux=k_aux, likelihood=SquaredError("Identity")).eval(), batch(7)
    model.inactive_for[dead] = 100
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
    model.inactive_for.fill_(100)
    model.inactive_for[[0, 2, 3, 5]] = 0
    terms, weight = model.eval().loss(data).terms, linear_of(model.code).weight
    reached = [
        torch.autograd.grad(terms[name].sum(), weight, retain_graph=True)[0].abs().sum(1) for name in ("recon", "auxk")
    ]
    assert (reached[0] > 0).tolist() == (model.encode(data.x).z != 0).any(0).tolist()
    assert (reached[1] > 0).tolist() == [False, True, False, False, True, False]


def test_topk_without_dead_units_is_the_plain_objective_of_its_code():
    model, data = topk_model(network=MLP([5], "Tanh")), batch()
    plain = make(Regularized, partial(TopKCode, k=2), MLP([5], "Tanh"), dim=6)
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if name != "inactive_for"})
    same(model.loss(data).total, plain.loss(data).total)


def test_topk_refuses_other_codes_and_units_that_are_not_there():
    with pytest.raises(UserError, match=r"model=topk .* the code is Identity: choose code=topk"):
        make(TopK, alpha=1.0, k_aux=1, dead_after=1)
    with pytest.raises(UserError, match=r"k_aux=7 of bottleneck.dim=6 .* choose"):
        topk_model(k_aux=7)


# contractive, by Hutchinson's estimate


@pytest.mark.parametrize("probes", [1, 3])
@pytest.mark.parametrize(
    "network",
    [MLP([], "ReLU"), MLP([6, 5], "Tanh"), Conv([2], [3], "Sigmoid", Vector())],
    ids=["shallow", "deep", "conv"],
)
def test_hutchinson_is_unbiased_and_has_the_variance_of_its_probes(network, probes):
    model, x, n = make(Hutchinson, network=network, weight=0.1, probes=probes), torch.rand(1, *SHAPE), 20_000
    J = jacobian(lambda one: model.encode(one).mean.flatten(), x).flatten(1)
    K = J @ J.T
    estimates = model.code_and_norm(x.expand(n, *SHAPE))[-1].detach()
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
    (found,) = torch.autograd.grad(model.code_and_norm(x.expand(n, *SHAPE))[-1].mean(), weight)
    (expected,) = torch.autograd.grad(exact.code_and_norm(x)[-1].sum(), other)
    assert (found - expected).norm() < 0.03 * expected.norm()


def test_hutchinson_draws_anew_for_each_example_and_each_step():
    model, x = make(Hutchinson, weight=0.1, probes=1), torch.rand(1, *SHAPE)
    one, two = (model.code_and_norm(x.expand(50, *SHAPE))[-1] for _ in range(2))
    assert len(one.unique()) > 1 and not torch.equal(one, two)


def test_hutchinson_refuses_to_have_no_probe():
    with pytest.raises(UserError, match=r"model.probes .* 0: choose"):
        make(Hutchinson, weight=0.1, probes=0)


# variational codes


def cost(code, h):
    (value,) = code(h).terms.values()
    return value


over_positions = pytest.mark.parametrize("positions", [(), (2, 3)], ids=str)


@over_positions
@pytest.mark.parametrize("capacity", [0.0, 0.4, 25.0])
def test_capacity_costs_the_distance_of_the_mean_divergence_from_c(positions, capacity):
    code, h = Capacity(6, 3, 7.0, capacity), torch.randn(9, *positions, 6)
    kl = kl_divergence(posterior_of(code, h), Normal(0, 1)).sum() / 9
    same(cost(code, h), 7.0 * (kl - capacity).abs())
    assert (kl > capacity) == (capacity < 25)


def test_capacity_of_nothing_is_beta_vae():
    code, other, h = Capacity(6, 3, 4.0, 0.0), Gaussian(6, 3, 4.0), torch.randn(9, 6)
    other.load_state_dict(code.state_dict())
    same(cost(code, h), cost(other, h).mean())


@over_positions
@pytest.mark.parametrize("free", [0.05, 0.3])
def test_free_bits_cost_the_mean_divergence_of_each_unit_or_what_is_free(positions, free):
    code, h = FreeBits(6, 5, 3.0, free), torch.randn(9, *positions, 6)
    with torch.no_grad():
        code.project.weight[:2] = 0  # mu
        code.project.bias[:2] = torch.tensor([0.1, 1.0])
    kl = kl_divergence(posterior_of(code, h), Normal(0, 1)).reshape(9, -1).mean(0).tolist()
    assert min(kl) < 0.3 < max(kl)
    same(cost(code, h), torch.tensor(3.0 * sum(max(free, each) for each in kl)))


def test_free_bits_are_of_the_mean_over_the_batch_and_not_of_each_example():
    code = FreeBits(1, 1, 1.0, 0.5)
    with torch.no_grad():
        code.project.weight.copy_(torch.tensor([[1.0], [0.0]]))
        code.project.bias.zero_()
    same(cost(code, torch.tensor([[0.0], [2.0]])), torch.tensor(1.0))  # KL = mu^2 / 2: 0 and 2


def test_without_free_bits_it_is_beta_vae_and_a_unit_below_them_has_no_gradient():
    code, other, h = FreeBits(6, 3, 4.0, 0.0), Gaussian(6, 3, 4.0), torch.randn(9, 6)
    other.load_state_dict(code.state_dict())
    same(cost(code, h), cost(other, h).mean())
    generous = FreeBits(6, 3, 4.0, 1e6)
    (gradient,) = torch.autograd.grad(cost(generous, h), generous.project.weight)
    assert not gradient.any()


@pytest.mark.parametrize(("code", "name"), [(Capacity, "capacity"), (FreeBits, "free")])
def test_negative_nats_are_refused(code, name):
    with pytest.raises(UserError, match=f"code.{name} .* -1.0: choose"):
        code(6, 3, 1.0, -1.0)


def test_active_units_are_those_whose_mean_varies_over_the_whole_epoch():
    code, h = Gaussian(6, 5, 1.0), torch.randn(600, 6)
    with torch.no_grad():
        code.project.weight[0] = 0  # never varies
        code.project.weight[1] *= 0.09 / (h @ code.project.weight[1]).std()  # a variance of 0.0081
        code.project.weight[2] *= 0.11 / (h @ code.project.weight[2]).std()  # of 0.0121
        code.project.bias[0] = 3.0
        q = posterior_of(code, h)
    found = read(code, h[:100], h[100:101], h[101:])
    assert found["active_units"] == (q.mean.var(0) > 0.01).sum() == 3
    same(found["kl_per_dimension"], kl_divergence(q, Normal(0, 1)).mean(0))
    same(found["kl_nats"], kl_divergence(q, Normal(0, 1)).sum(1).mean())
    constant = torch.cat([torch.full((5, 6), float(sign)) for sign in (1, -1)])
    assert read(code, constant[:5])["active_units"] == 0  # within each batch nothing varies, over both it does
    assert read(code, constant[:5], constant[5:])["active_units"] == (code.project.weight[:5].sum(1).abs() > 0.1).sum()


# importance weights


def iwae(k, beta=1.0, **parts):
    return make(IWAE, partial(Gaussian, beta=beta), MLP([4], "Tanh"), dim=2, k=k, **parts)


def log_weights(model, x, z, beta=1.0):
    """log p(x, z_i) - log q(z_i | x) of one image and samples (k, D), by torch's own distributions."""
    q = Independent(posterior_of(model.code, model.encoder(x)), 1)
    p = Independent(Bernoulli(logits=model.decoder(z)), 3).log_prob(x)
    return p + beta * (Independent(Normal(torch.zeros(2), 1.0), 1).log_prob(z) - q.log_prob(z))


@pytest.mark.parametrize("k", [1, 2, 7])
@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_iwae_is_the_log_of_the_mean_weight_of_each_example(k, beta):
    model, data = iwae(k, beta), batch(5)
    data = Batch(data.x.round(), data.y)
    torch.manual_seed(3)
    loss = model.loss(data)
    torch.manual_seed(3)
    eps = torch.randn(k, 5, 2)
    bounds, errors = [], []
    for i, one in enumerate(data.x):
        q = posterior_of(model.code, model.encoder(one[None]))
        z = q.mean + q.stddev * eps[:, i]
        bounds.append(log_weights(model, one[None], z, beta).exp().mean().log())
        errors.append(-Independent(Bernoulli(logits=model.decoder(z)), 3).log_prob(one).mean())
    same(sum(loss.terms.values()), -torch.stack(bounds))
    same(loss.terms["recon"], torch.stack(errors))


def bounds_of(model, x, n):
    with torch.no_grad():
        return -sum(model.loss(Batch(x.expand(n, *SHAPE), torch.zeros(n))).terms.values())


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_iwae_of_one_sample_is_the_evidence_lower_bound(beta):
    model, vae, x, n = (
        iwae(1, beta),
        make(Regularized, partial(Gaussian, beta=beta), MLP([4], "Tanh"), dim=2),
        None,
        40_000,
    )
    vae.load_state_dict(model.state_dict())
    x = torch.rand(1, *SHAPE).round()
    ours, theirs = bounds_of(model, x, n), bounds_of(vae, x, n)
    assert (ours.mean() - theirs.mean()).abs() < 5 * sqrt((ours.var() + theirs.var()) / n)
    assert (ours.mean() - theirs.mean()).abs() < 0.02 * theirs.mean().abs()


def test_iwae_tightens_with_k_up_to_the_evidence():
    model, x, n = iwae(1), torch.rand(1, *SHAPE).round(), 20_000
    grid = torch.linspace(-7, 7, 281)
    z = torch.cartesian_prod(grid, grid)
    with torch.no_grad():
        nn.init.constant_(model.code.project.bias, 1.0)  # a poor posterior
        p = Independent(Bernoulli(logits=model.decoder(z)), 3).log_prob(x)
        joint = p + Normal(0, 1).log_prob(z).sum(1)
        evidence = joint.logsumexp(0) + 2 * (grid[1] - grid[0]).log()
    means, errors = [], []
    for k in (1, 2, 8, 64):
        model.k = k
        bounds = bounds_of(model, x, n)
        means.append(bounds.mean())
        errors.append(bounds.std() / sqrt(n))
    for i in range(3):
        assert means[i + 1] - means[i] > 5 * (errors[i] + errors[i + 1])
        assert means[i] < evidence
    assert (means[-1] - evidence).abs() < 0.1 * (means[0] - evidence).abs()


def test_iwae_gradient_is_that_of_the_weighted_samples():
    model, x = iwae(3), torch.rand(1, *SHAPE).round()
    eps = torch.randn(3, 2)
    parameters = list(model.parameters())
    q = posterior_of(model.code, model.encoder(x))
    log_w = log_weights(model, x, q.mean + q.stddev * eps)
    share = log_w.softmax(0).detach()  # eq. 14 of the paper
    expected = torch.autograd.grad(-(share * log_w).sum(), parameters)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", lambda *shape, **_: eps.reshape(shape))
        same(torch.autograd.grad(model.loss(Batch(x, None)).total, parameters), expected)


@pytest.mark.parametrize("code", [partial(FreeBits, beta=1.0, free=0.1), partial(TopKCode, k=1)])
def test_iwae_refuses_codes_that_have_no_weights(code):
    with pytest.raises(UserError, match=r"IWAE weighs .* the code is \w+: choose code=gaussian"):
        make(IWAE, code, k=2)


def test_iwae_refuses_no_sample():
    with pytest.raises(UserError, match=r"model.k .* 0: choose"):
        iwae(0)


# numbers that move while a model is trained


class Seen(pl.Callback):
    """What the code's number was in every training step and every validation."""

    def __init__(self, name):
        self.name, self.steps, self.validations = name, [], []

    def on_after_backward(self, trainer, module):
        self.steps.append(getattr(module.model.code, self.name))

    def on_validation_batch_end(self, trainer, module, *_):
        self.validations.append(getattr(module.model.code, self.name))


class Killed(Exception):
    pass


def fitted(place, *words, name="beta", epochs=4, kill_in=None):
    """A training on the digits, from its last checkpoint where there is one."""
    torch.set_default_dtype(torch.float32)
    line = [*words, f"trainer.max_epochs={epochs}", "trainer.accelerator=cpu", f"runs={place}"]
    (point,) = points("train", [quoted(word) for word in line])
    config, seen = point.config, Seen(name)
    torch.manual_seed(config["seed"])
    data = make_data(config)
    data.setup()
    task = make_task(config, make_model(config, data.shape))

    def start(self, original=Task.on_train_epoch_start):
        original(self)
        if self.current_epoch == kill_in:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Task, "on_train_epoch_start", start)
        session.fit(Run(place), config, task, data, seen)
    return task, seen


@pytest.mark.parametrize(
    ("words", "name", "start", "end"),
    [(["model=vae_capacity"], "capacity", 0.0, 25.0), (["model=beta_vae", "schedule=beta"], "beta", 0.0, 4.0)],
    ids=["capacity", "beta"],
)
def test_a_number_warms_up_in_a_line_over_its_fraction_and_validation_is_under_the_last(
    words, name, start, end, tmp_path
):
    _, seen = fitted(tmp_path, *words, name=name)
    n = len(seen.steps)
    line = [min(1, step / (n / 2)) for step in range(n)]
    assert seen.steps == pytest.approx([start + (end - start) * share for share in line])
    assert seen.steps[0] == start and seen.steps[-1] == end and set(seen.validations) == {end}


def test_a_warm_up_that_was_killed_goes_on_bit_for_bit(tmp_path):
    words = ["model=vae", "schedule=beta", "schedule.warmup.fraction=1.0"]
    alone, whole = fitted(tmp_path / "alone", *words)
    with pytest.raises(Killed):
        fitted(tmp_path / "killed", *words, kill_in=2)
    again, rest = fitted(tmp_path / "killed", *words)
    assert rest.steps == whole.steps[len(whole.steps) // 2 :] and len(set(whole.steps)) == len(whole.steps)
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), again.parameters(), strict=True))


def test_topk_that_was_killed_goes_on_with_its_silent_units(tmp_path):
    words = ["model=topk", "model.dead_after=1000", "bottleneck.dim=200", "code.k=2"]
    alone, _ = fitted(tmp_path / "alone", *words, name="k")
    with pytest.raises(Killed):
        fitted(tmp_path / "killed", *words, name="k", kill_in=2)
    again, _ = fitted(tmp_path / "killed", *words, name="k")
    assert alone.model.inactive_for.max() > 1000
    assert all(torch.equal(a, b) for a, b in zip(alone.state_dict().values(), again.state_dict().values(), strict=True))


def test_a_warm_up_of_what_is_not_there_is_refused_before_the_first_step(tmp_path):
    with pytest.raises(UserError, match=r"schedule moves code.beta, but the code of this run, Identity, .* choose"):
        fitted(tmp_path, "model=deep", "schedule=beta")
    with pytest.raises(UserError, match=r"the nowhere of this run, Regularized, .* choose"):
        fitted(tmp_path, "model=vae", "schedule=beta", "schedule.warmup.number=nowhere.beta")


@pytest.mark.parametrize("fraction", [0.0, 1.5])
def test_a_warm_up_of_no_fraction_is_refused(fraction):
    with pytest.raises(UserError, match=f"fraction={fraction} .* choose"):
        Warmup("code.beta", 0.0, fraction)


# convolutions, three ways up

THREE = [Conv, ConvTransposed, ConvUnpool]
over_ways = pytest.mark.parametrize("way", THREE)


@over_ways
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 31, 32), (1, 8, 8), (1, 5, 13)], ids=str)
@pytest.mark.parametrize(("pooled", "flat"), [([4, 6], [5, 3]), ([4, 6, 2], []), ([4], [3]), ([], [3])], ids=str)
def test_every_way_up_gives_back_the_shape_of_an_image_of_any_size(way, shape, pooled, flat):
    network, x = way(pooled, flat, "ReLU", Vector()), torch.rand(5, *shape)
    encoder = network.encoder(shape)
    h, switches = encoder.with_switches(x)
    same(h, encoder(x))
    assert h.shape == (5, encoder.out_features)
    assert len(switches) == (len(pooled) if way is ConvUnpool else 0)
    decoder = network.decoder(7, shape)
    theta = decoder(z := torch.randn(5, 7), *switches)
    assert theta.shape == (5, *shape)
    alone = [decoder(z[i : i + 1], *(switch[i : i + 1] for switch in switches)) for i in range(5)]
    same(theta, torch.cat(alone))


@pytest.mark.parametrize("times", [1, 2, 3])
def test_unpooling_puts_each_maximum_where_it_was_and_nothing_elsewhere(times):
    height, width = 17, 7
    network, shape = ConvUnpool([1] * times, [], "Identity", Vector()), (1, height, width)
    encoder = network.encoder(shape)
    decoder = network.decoder(encoder.out_features, shape)
    for layer in [*encoder.modules(), *decoder.modules()]:  # all layers but the pooling pass on what they get
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight)
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)
    x, side = torch.rand(3, *shape), 2**times
    expected = torch.zeros_like(x)
    for image, into in zip(x[:, 0], expected[:, 0], strict=True):
        for i in range(0, height, side):
            for j in range(0, width, side):
                window = image[i : i + side, j : j + side]
                into[i : i + side, j : j + side] = window * (window == window.max())
    h, switches = encoder.with_switches(x)
    same(decoder(h, *switches), expected)


def test_transposed_convolutions_have_the_encoders_widths_in_reverse():
    network = ConvTransposed([4, 6], [5, 3], "ReLU", Vector())
    up = [
        (layer.in_channels, layer.out_channels, layer.kernel_size)
        for layer in network.decoder(2, (1, 8, 8))
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    three, four = (3, 3), (4, 4)
    assert up == [(3, 3, three), (3, 5, three), (5, 6, four), (6, 4, four), (4, 1, three)]
    assert not [layer for layer in network.decoder(2, (1, 8, 8)) if isinstance(layer, nn.Upsample)]


MODELS = {
    "plain": Regularized,
    "iwae": partial(IWAE, k=3),
    "topk": partial(TopK, alpha=0.1, k_aux=2, dead_after=0),
    "contractive": partial(Contractive, weight=0.1),
    "hutchinson": partial(Hutchinson, weight=0.1, probes=2),
}


def of_kind(name, network, **parts):
    code = {"iwae": partial(Gaussian, beta=1.0), "topk": partial(TopKCode, k=2)}
    return make(MODELS[name], code.get(name), network, **parts)


@pytest.mark.parametrize("model", MODELS)
def test_every_kind_hands_the_switches_on_and_decodes_no_code_alone(model):
    model, (x, y) = of_kind(model, ConvUnpool([2], [3], "Sigmoid", Vector())), batch(6)
    together = model.loss(Batch(x, y)).terms["recon"]
    assert together.isfinite().all()
    model.eval()
    same(model.reconstruct(x), torch.cat([model.reconstruct(one) for one in x.split(1)]))
    with pytest.raises(
        NotApplicable, match=r"network=conv_unpool .* cannot decode a code alone.*: choose network=conv"
    ):
        model.decode(model.encode(x).mean)


@over_ways
def test_samples_of_one_image_are_decoded_with_its_own_switches(way):
    model, data = of_kind("iwae", way([2], [3], "Sigmoid", Vector())), batch(6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", lambda *shape, **_: torch.zeros(shape))  # each sample is the mean
        recon = model.loss(data).terms["recon"]
    h, switches = model.encoder.with_switches(data.x)
    same(recon, model.likelihood.nll(model.decoder(model.code(h).mean, *switches), data.x))


def test_switches_are_those_of_the_image_that_the_encoder_sees():
    network, (x, y) = ConvUnpool([2], [3], "Sigmoid", Vector()), batch(4)
    model = make(Regularized, network=network, corruption=Masking(1.0))
    h, switches = model.encoder.with_switches(torch.zeros_like(x))
    same(model.loss(Batch(x, y)).terms["recon"], model.likelihood.nll(model.decoder(model.code(h).z, *switches), x))


def dead_units_after_training(alpha, seed, steps=600):
    """Of 16 units, 8 of which are dead at the start, on examples of two of 16 atoms each; and the error then."""
    torch.manual_seed(seed)
    atoms = normalize(torch.randn(16, 8), dim=1)

    def drawn(n):
        which = torch.zeros(n, 16).scatter_(1, torch.rand(n, 16).topk(2).indices, 1.0)
        return Batch((which * torch.rand(n, 16) @ atoms).view(n, *SHAPE), torch.zeros(n, dtype=torch.int64))

    code, likelihood = partial(TopKCode, k=2), SquaredError("Identity")
    model = make(TopK, code, dim=16, likelihood=likelihood, alpha=alpha, k_aux=4, dead_after=200)
    model.initialize([drawn(500)])
    with torch.no_grad():
        linear_of(model.code).bias[8:] -= 1
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        model.loss(drawn(64)).total.backward()
        optimizer.step()
    test = drawn(2000)
    error = (model.eval().reconstruct(test.x) - test.x).square().sum() / 2000
    return (model.encode(test.x).z == 0).all(0).sum().item(), error.item()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_auxk_revives_dead_units_that_stay_dead_without_it(seed):
    dead, error = dead_units_after_training(0.0, seed)
    assert dead == 8
    fewer, less = dead_units_after_training(1 / 32, seed)  # the paper's weight
    assert fewer <= 4
    assert less < 0.8 * error
