"""The rectified flow of codes: its objective by hand, its density where the flow is known, its samples."""

from functools import partial
from math import exp

import pytest
import torch
from composing import made
from conftest import same
from small_models import batch, make
from torch import nn
from torch.distributions import Independent, Normal
from torch.func import jacrev, vmap

from aeexp.codes.codebooks import Gradient
from aeexp.codes.gaussian import Gaussian
from aeexp.codes.vq import VQ
from aeexp.errors import NotApplicable, UserError
from aeexp.models.latent_flow import LatentFlow, RectifiedFlow
from aeexp.networks.mlp import MLP
from aeexp.networks.velocity import Velocity
from aeexp.types import Batch

pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")


def model(**options):
    code = partial(Gaussian, beta=1.0)
    return make(LatentFlow, code, MLP([5], "Tanh"), **{"dim": 2, "width": 8, "depth": 2, "steps": 5, **options})


class Growth(nn.Module):
    """du/dt = a u for each unit, so that u_1 = exp(a) u_0."""

    def __init__(self, *a):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, u, t):
        return self.a * u


def grown(steps, *a):
    flow = RectifiedFlow((len(a),), 4, 1, steps).eval()
    flow.velocity = Growth(*a)
    flow.moments.mean.copy_(torch.tensor([1.0, -2.0]))
    flow.moments.variance.copy_(torch.tensor([4.0, 0.25]) - 1e-5)
    return flow


def test_the_objective_is_the_mismatch_with_a_straight_line(monkeypatch):
    net, (x, _) = model().eval(), batch()
    net.prior.moments.mean.fill_(0.3)
    net.prior.moments.variance.fill_(4 - 1e-5)
    u_1 = (net.encode(x).mean - 0.3) / 2
    noise, t = torch.randn(5, 2), torch.rand(5)
    monkeypatch.setattr(torch, "randn_like", lambda like: noise)
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: t)
    expected = [
        (net.prior.velocity((1 - t[[i]]) * noise[[i]] + t[[i]] * u_1[[i]], t[[i]]) - (u_1[[i]] - noise[[i]])).norm()
        ** 2
        for i in range(5)
    ]
    same(net.loss(Batch(x, None)).terms["prior"], torch.stack(expected))


def test_the_density_is_that_of_a_flow_that_is_known():
    flow, z = grown(200, 0.7, -1.2), torch.randn(50, 2) * 2
    known = Independent(Normal(torch.tensor([1.0, -2.0]), torch.tensor([2 * exp(0.7), 0.5 * exp(-1.2)])), 1)
    same(flow.log_prob(z), known.log_prob(z), atol=1e-3, rtol=1e-3)


@pytest.mark.slow
def test_the_error_of_its_steps_falls_with_their_square():
    z = torch.randn(50, 2)
    known = grown(2000, 0.7, -1.2).log_prob(z)
    errors = [(grown(steps, 0.7, -1.2).log_prob(z) - known).abs().max() for steps in (5, 10, 20)]
    assert errors[0] > 3 * errors[1] > 9 * errors[2] > 0


def test_samples_are_those_of_a_flow_that_is_known():
    z = grown(100, 0.7, -1.2).sample(40_000)
    same(z.mean(0), torch.tensor([1.0, -2.0]), atol=0.05, rtol=0)
    same(z.std(0), torch.tensor([2 * exp(0.7), 0.5 * exp(-1.2)]), atol=0, rtol=0.02)


def test_the_divergence_is_on_average_the_trace_of_the_jacobian():
    flow = RectifiedFlow((3, 2), 16, 2, 5)
    u, t = torch.randn(4, 6), torch.rand(4)
    jacobian = vmap(jacrev(lambda u, t: flow.velocity(u[None], t[None])[0]))(u, t)
    n = 4000
    v, divergences = flow.with_divergence(u.repeat(n, 1), t.repeat(n))
    same(v[:4], flow.velocity(u, t))
    each = divergences.view(n, 4)
    assert ((each.mean(0) - jacobian.diagonal(dim1=1, dim2=2).sum(1)).abs() < 5 * each.std(0) / n**0.5).all()
    assert each.std(0).min() > 0


@pytest.mark.slow
def test_it_learns_where_codes_are():
    torch.set_default_dtype(torch.float32)
    flow = RectifiedFlow((2,), 64, 2, 20)
    optimizer = torch.optim.Adam(flow.parameters(), 0.003)

    def codes(n):  # two clusters, of which a Gaussian knows nothing
        return torch.where(torch.rand(n, 1) < 0.5, 3.0, -1.0) + 0.2 * torch.randn(n, 2)

    for _ in range(800):
        optimizer.zero_grad()
        flow.mismatch(codes(256)).mean().backward()
        optimizer.step()
    z = flow.eval().sample(4000)
    low, high = (z - torch.tensor([-1.0, -1.0])).norm(dim=1), (z - torch.tensor([3.0, 3.0])).norm(dim=1)
    assert (torch.minimum(low, high) < 1).double().mean() > 0.95
    assert abs((low < high).double().mean() - 0.5) < 0.1
    gaussian = Independent(Normal(torch.ones(2), torch.full((2,), 2.01)), 1)
    test = codes(2000)
    assert flow.log_prob(test).mean() > gaussian.log_prob(test).mean() + 1


def test_nothing_of_the_autoencoder_moves_in_the_second_stage_and_nothing_of_the_flow_in_the_first():
    net, (x, _) = model(), batch()
    for net.stage, moving in ((1, {"encoder", "code", "decoder"}), (2, {"prior"})):
        net.zero_grad()
        net.loss(Batch(x, None)).total.backward()
        moved = {name.split(".")[0] for name, parameter in net.named_parameters() if parameter.grad is not None}
        assert moved == moving


def test_a_velocity_depends_on_time_whatever_the_width():
    for width in (2, 7, 16):
        v, u = Velocity(3, width, 1), torch.randn(5, 3)
        assert v(u, torch.rand(5)).shape == (5, 3)
        assert not torch.allclose(v(u, torch.full((5,), 0.1)), v(u, torch.full((5,), 0.9)))


def test_its_samples_are_images_of_codes_on_a_map():
    task, _ = made("model=latent_flow", "network=conv_map", "bottleneck=2")
    z = task.model.eval().prior.sample(3)
    assert task.model.decode(z).shape == (3, 1, 8, 8)
    assert task.model.prior.log_prob(z).isfinite().all()


def test_no_likelihood_is_averaged_over_its_steps():
    with pytest.raises(NotApplicable, match="many steps for each sample: choose model=vae"):
        model().posterior(batch().x)


def test_what_has_no_flow_is_refused():
    symbols = partial(VQ, codebook=Gradient, codes=3, width=2, depth=1, beta=0.25, decay=0.9, dead=0.01)
    with pytest.raises(UserError, match=r"those of VQ are symbols: choose model=vq_prior"):
        make(LatentFlow, symbols, dim=2, width=8, depth=2, steps=5)
    with pytest.raises(UserError, match=r"model.steps=0 .* choose at least 1"):
        model(steps=0)
    with pytest.raises(UserError, match="width=1 and depth=2: choose at least 2 and 1"):
        model(width=1)
