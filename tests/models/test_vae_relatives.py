"""Relatives of the VAE against closed forms, torch.distributions and brute force."""

from functools import partial
from itertools import permutations
from math import log

import pytest
import torch
from composing import made
from conftest import same
from small_models import SHAPE, batch, make, posterior_of
from torch.autograd.functional import jacobian
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from aeexp.codes.aggregated import MMD, Information, Sliced, squared_mmd, squared_sliced_wasserstein
from aeexp.codes.flows import AutoregressiveStep, InverseAutoregressive, Planar, PlanarStep
from aeexp.codes.gaussian import Gaussian
from aeexp.errors import UserError
from aeexp.metrics.importance import log_mean_weight
from aeexp.models.ladder_vae import LadderVAE
from aeexp.models.rae import RAE
from aeexp.models.regularized import Regularized
from aeexp.models.vamp_prior import VampPrior
from aeexp.networks.mlp import MLP
from aeexp.types import Batch

pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")
gaussian = partial(Gaussian, beta=1.0)


# the distance of the aggregated posterior from the prior


def test_mmd_is_the_sum_over_all_pairs(monkeypatch):
    z, drawn = torch.randn(7, 3), torch.randn(7, 3)
    monkeypatch.setattr(torch, "randn_like", lambda z: drawn)

    def k(a, b):
        return 6 / (6 + (a - b).square().sum())

    alike = sum(k(v[i], v[j]) for v in (z, drawn) for i in range(7) for j in range(7) if i != j) / 42
    across = sum(k(a, b) for a in z for b in drawn) / 49
    same(squared_mmd(z), alike - 2 * across)


def test_mmd_of_draws_of_the_prior_is_zero_on_average_and_of_others_is_not():
    found = torch.stack([squared_mmd(torch.randn(20, 3)) for _ in range(400)])
    assert found.mean().abs() < 4 * found.std() / 20
    assert found.min() < 0  # unbiased
    moved = torch.stack([squared_mmd(torch.randn(20, 3) + 1) for _ in range(400)])
    assert moved.mean() > 20 * found.std() / 20


def test_sliced_distance_of_moved_codes_is_that_of_one_dimension(monkeypatch):
    """Of codes that are the draws themselves, moved by m: E (w m)^2 = ||m||^2 / D."""
    drawn, m = torch.randn(40, 3), torch.tensor([1.0, -2.0, 0.5])
    monkeypatch.setattr(torch, "randn_like", lambda z: drawn)
    same(squared_sliced_wasserstein(drawn[torch.randperm(40)], 5), torch.zeros(()))
    found = squared_sliced_wasserstein(drawn + m, 20_000)
    same(found, m.square().sum() / 3, rtol=0.03, atol=0)


def test_sliced_distance_matches_codes_in_the_order_of_one_dimension(monkeypatch):
    z, drawn = torch.randn(6, 1), torch.randn(6, 1)
    monkeypatch.setattr(torch, "randn_like", lambda z: drawn)
    least = min((z[list(p), 0] - drawn[:, 0]).square().mean() for p in permutations(range(6)))
    same(squared_sliced_wasserstein(z, 4), least)  # a direction of one dimension is 1 or -1


@pytest.mark.parametrize("code", [partial(MMD, weight=3.0), partial(Sliced, weight=3.0, directions=20)])
def test_codes_without_noise_are_linear_and_drawn_to_the_prior(code):
    code, h = code(4, 2), torch.randn(64, 4)
    found = code(h)
    same(found.z, code.project(h))
    assert torch.equal(found.z, found.mean)
    a = (2 * torch.rand(200, 2)).requires_grad_()
    optimizer = torch.optim.Adam([a], 0.05)
    for _ in range(300):
        optimizer.zero_grad()
        next(iter(code.of(a).terms.values())).backward()
        optimizer.step()
    assert a.mean(0).abs().max() < 0.35 and (a.std(0) - 1).abs().max() < 0.35


@pytest.mark.parametrize(("alpha", "weight"), [(0.0, 1.0), (1.0, 5.0), (-1.0, 2.0)])
def test_infovae_costs_its_part_of_the_divergence_and_of_the_mmd(alpha, weight):
    code, h = Information(4, 2, alpha=alpha, weight=weight), torch.randn(9, 4)
    torch.manual_seed(1)
    found = code(h)
    torch.manual_seed(1)
    torch.randn_like(found.z)
    q = posterior_of(code, h)
    same(found.terms["kl"], (1 - alpha) * kl_divergence(q, Normal(0.0, 1.0)).sum(1))
    same(found.terms["mmd"], (alpha + weight - 1) * squared_mmd(found.z))


@pytest.mark.parametrize("code", [partial(MMD, weight=-1.0), partial(Sliced, weight=1.0, directions=0)])
def test_costs_that_make_no_sense_are_refused(code):
    with pytest.raises(UserError, match="choose at least"):
        code(4, 2)
    with pytest.raises(UserError, match=r"code.alpha=2.0 .* choose at most 1"):
        Information(4, 2, alpha=2.0, weight=1.0)


# normalising flows


@pytest.mark.parametrize("step", [lambda: PlanarStep(4), lambda: AutoregressiveStep(4, 6)], ids=["planar", "iaf"])
def test_the_determinant_of_a_step_is_that_of_its_jacobian(step):
    for _ in range(5):
        f, z, context = step(), torch.randn(4), torch.randn(4)
        J = jacobian(lambda z, f=f, context=context: f(z, context)[0], z)
        same(f(z, context)[1], torch.linalg.slogdet(J).logabsdet)


def test_a_planar_step_is_invertible_whatever_its_weights():
    f = PlanarStep(3)
    with torch.no_grad():
        f.u.copy_(-5 * f.w)
    z = torch.randn(500, 3)
    along = f(z, z[:, :0])[0] @ f.w
    assert (along[(z @ f.w).argsort()].diff() > 0).all()  # rises with w^T z


def test_a_unit_of_an_autoregressive_step_sees_the_ones_before_it():
    f, z, context = AutoregressiveStep(5, 8), torch.randn(5), torch.randn(5)
    J = jacobian(lambda z: f(z, context)[0].flip(0), z)
    assert (J.triu(1) == 0).all() and (J.diagonal() > 0).all() and (J.tril(-1) != 0).sum() >= 6
    seen = jacobian(lambda context: f(z, context)[0], context)
    assert (seen != 0).any()


@pytest.mark.parametrize("code", [partial(Planar, steps=3), partial(InverseAutoregressive, steps=2, width=5)])
def test_a_flow_has_the_density_of_what_it_draws(code):
    """log q(z | x) integrates to 1 over a grid, and its samples' mean log q / p is the cost."""
    code, h = code(4, 2), torch.randn(3, 4)
    q = code.posterior(h)
    z, log_q = q.sample(20_000)
    assert z.shape == (20_000, 3, 2) and log_q.shape == (20_000, 3)
    box = ((z[:, 0] > -1) & (z[:, 0] < 1)).all(1)  # E 1[z in box] / q(z) is the box's volume
    same((box / log_q[:, 0].exp()).mean(), torch.tensor(4.0), rtol=0.1, atol=0)
    found = code(h.repeat_interleave(20_000, 0)).terms["kl"].view(3, -1).mean(1)
    same(found, (log_q - Normal(0.0, 1.0).log_prob(z).sum(2)).mean(0), rtol=0, atol=0.1)
    one = torch.cat([each.sample(2)[0] for each in q.each()], 1)
    assert one.shape == (2, 3, 2)


def test_a_flow_of_a_map_is_that_of_each_position():
    code, h = InverseAutoregressive(4, 3, steps=2, width=5), torch.randn(5, 2, 2, 4)
    same(code(h).mean.flatten(0, 2), code(h.flatten(0, 2)).mean)
    log_q = code.posterior(h).sample(2)[1]
    assert log_q.shape == (2, 5) and code(h).terms["kl"].shape == (5,)


# priors that learn


def vamp(k=3):
    model = make(VampPrior, gaussian, MLP([5], "Tanh"), dim=2, pseudo_inputs=k, scale=1.0)
    with torch.no_grad():
        model.v.mul_(3)
    return model


def mixture(model):
    q = posterior_of(model.code, model.encoder(torch.sigmoid(model.v)))
    return MixtureSameFamily(Categorical(torch.ones(len(model.v))), Independent(q, 1))


def test_the_prior_is_the_mean_of_the_posteriors_of_the_pseudo_inputs():
    model, z = vamp(), torch.randn(50, 2)
    same(model.prior.log_prob(z), mixture(model).log_prob(z))
    drawn, theirs = model.prior.sample(40_000), mixture(model).sample((40_000,))
    for power in (1, 2):
        same(drawn.pow(power).mean(0), theirs.pow(power).mean(0), rtol=0, atol=0.05)


def test_of_one_pseudo_input_that_is_the_image_the_divergence_is_zero():
    model = vamp(1)
    x = torch.sigmoid(model.v.detach()).expand(6, *SHAPE)
    same(model.loss(Batch(x, torch.zeros(6))).terms["kl"], torch.zeros(6))


def test_the_divergence_is_that_of_the_sample(monkeypatch):
    model, data = vamp(), batch(6)
    eps = torch.randn(1, 6, 2)
    monkeypatch.setattr(torch, "randn", lambda *shape, **_: eps)
    q = posterior_of(model.code, model.encoder(data.x))
    z = q.mean + q.stddev * eps[0]
    same(model.loss(data).terms["kl"], q.log_prob(z).sum(1) - mixture(model).log_prob(z))


def test_pseudo_inputs_start_around_the_mean_example():
    task, data = made("model=vamp_prior", "data=digits", "model.pseudo_inputs=400")
    mean = torch.cat([batch.x for batch in data.train.batches(500)]).mean(0)
    logits = task.model.v - (mean / data.scale).logit(0.01)
    assert logits.mean(0).abs().max() < 0.3 and (logits.std() - 1).abs() < 0.05


def ladder(top=0.4, dim=5):
    return make(LadderVAE, gaussian, MLP([5], "Tanh"), dim=dim, top=top, width=6)


def test_two_layers_have_the_densities_of_their_products():
    model, (x, _) = ladder(), batch(4)
    z, log_q = model.posterior(x).sample(7)
    z_1, z_2 = z.split([3, 2], 2)
    said, second = (
        Normal(m, (0.5 * v).exp())
        for m, v in zip(
            *(part.split([3, 2], 1) for part in model.code.project(model.encoder(x)).chunk(2, 1)), strict=True
        )
    )
    m, v = model.layers.network(z_2).chunk(2, 2)
    expected = Normal(m, (0.5 * v).exp())
    precision = said.variance.reciprocal() + expected.variance.reciprocal()
    mean = (said.mean / said.variance + expected.mean / expected.variance) / precision
    same(log_q, Normal(mean, precision.rsqrt()).log_prob(z_1).sum(2) + second.log_prob(z_2).sum(2))
    log_p = expected.log_prob(z_1).sum(2) + Normal(0.0, 1.0).log_prob(z_2).sum(2)
    same(model.prior.log_prob(z), log_p)


def test_the_divergence_of_two_layers_is_the_mean_of_log_q_over_p():
    model, (x, y) = ladder(), batch(3)
    z, log_q = model.posterior(x).sample(20_000)
    expected = (log_q - model.prior.log_prob(z)).mean(0)
    many = Batch(x.repeat_interleave(5000, 0), y.repeat_interleave(5000, 0))
    same(model.loss(many).terms["kl"].view(3, -1).mean(1), expected, rtol=0, atol=0.05)


@pytest.mark.parametrize("made", [vamp, ladder])
def test_a_schedule_moves_the_weight_of_the_divergence(made):
    model, data = made(), batch(6)
    torch.manual_seed(0)
    kl = model.loss(data).terms["kl"]
    model.code.beta = 0.5
    torch.manual_seed(0)
    same(model.loss(data).terms["kl"], 0.5 * kl)


def test_samples_of_two_layers_are_those_of_the_prior():
    model = ladder()
    z = model.prior.sample(20_000)
    assert z.shape == (20_000, 5)
    mean = model.layers.network(z[:, 3:])[:, :3]
    same((z[:, :3] - mean).mean(0), torch.zeros(3), rtol=0, atol=0.05)
    same(z[:, 3:].std(0), torch.ones(2), rtol=0, atol=0.05)


def test_what_two_layers_cannot_be_is_refused():
    for options in ({"top": 1.0}, {"top": 0.0}, {"dim": 1}):
        with pytest.raises(UserError, match=r"model.top=.* choose a vector code"):
            ladder(**options)
    with pytest.raises(UserError, match=r"code is Identity: choose code=gaussian"):
        make(LadderVAE, top=0.5, width=3)
    with pytest.raises(UserError, match=r"code is Identity: choose code=gaussian"):
        make(VampPrior, pseudo_inputs=2, scale=1.0)


# without noise


def test_a_regularised_autoencoder_pays_for_its_code_and_its_decoder():
    model, data = make(RAE, beta=0.5, weight=0.25), batch(6)
    terms = model.loss(data).terms
    same(terms["size"], 0.25 * model.encode(data.x).z.square().sum(1))
    squares = sum((parameter**2).sum() for parameter in model.decoder.parameters())
    same(terms["decoder"], 0.25 * squares)
    assert terms["recon"].shape == (6,)
    with pytest.raises(UserError, match=r"model.beta=-1.* choose at least 0"):
        make(RAE, beta=-1, weight=0.0)


def test_log_likelihood_of_a_linear_model_is_found_through_every_posterior():
    """p(x) does not depend on q: importance sampling with another q gives the same number."""
    found = []
    for code in (gaussian, partial(Planar, steps=2), partial(InverseAutoregressive, steps=2, width=4)):
        torch.manual_seed(0)
        model = make(Regularized, code, dim=2)
        torch.manual_seed(1)
        for parameter in model.decoder.parameters():
            parameter.data.copy_(0.5 * torch.randn_like(parameter))
        model.code.project.bias.data[2:4] = 2  # q is wider than the true posterior, so that no weight is large
        x = torch.linspace(0, 1, 8).view(1, *SHAPE)
        z, log_q = model.posterior(x).sample(40_000)
        log_x = model.log_likelihood(x.expand(40_000, *SHAPE), z[:, 0])
        found.append(log_mean_weight((log_x + model.prior.log_prob(z[:, 0]) - log_q[:, 0])[None]).item())
    assert max(found) - min(found) < 0.05 and abs(found[0]) > log(2)
