"""Completion of hidden quadrants, against its equations and against numerical integration over the code."""

from functools import partial

import pytest
import torch
from composing import fit, made
from conftest import same
from small_models import batch, make, posterior_of
from torch.distributions import Independent, Normal, kl_divergence

from aeexp.codes.gaussian import Gaussian
from aeexp.codes.identity import Identity
from aeexp.corruptions import Masking, Quadrants
from aeexp.errors import NotApplicable, UserError
from aeexp.metrics.importance import log_mean_weight
from aeexp.models.completion import Completion, CompletionVAE
from aeexp.networks.mlp import MLP
from aeexp.types import Batch

pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")


def vae(seen=1, **options):
    code = partial(Gaussian, beta=1.0)
    return make(CompletionVAE, code, MLP([5], "Tanh"), corruption=Quadrants(seen, 0.0, 1.0), **{"dim": 2, **options})


@pytest.mark.parametrize(
    ("seen", "expected"),
    [(1, ["hh", "hh", "sh", "sh"]), (2, ["sh", "sh", "sh", "sh"]), (3, ["ss", "ss", "sh", "sh"])],
)
def test_quadrants_are_seen_from_the_bottom_left_on(seen, expected):
    x = torch.rand(3, 2, 4, 2) + 1
    found = Quadrants(seen, 0.25, 2.0)(x)
    hidden = torch.tensor([[letter == "h" for letter in row] for row in expected]).expand_as(x)
    assert torch.equal(found, x.masked_fill(hidden, 0.5))
    assert torch.equal(Quadrants(seen, 0.0, 1.0).always_hidden((2, 4, 2)), hidden[0])


@pytest.mark.parametrize("seen", [1, 2, 3])
def test_the_baseline_scores_what_is_hidden_and_reads_what_is_seen(seen):
    model = make(Completion, partial(Identity, activation="Tanh"), corruption=Quadrants(seen, 0.0, 1.0))
    x = batch().x
    hidden = model.hidden.expand_as(x)
    other = x.where(~hidden, 1 - x)
    same(model.encode(x).mean, model.encode(other).mean)
    completed = model.reconstruct(x)
    same(completed[~hidden], x[~hidden])
    same(completed[hidden], model.reconstruct(other)[hidden])
    nll = -(x * completed.log() + (1 - x) * (1 - completed).log()).masked_fill(~hidden, 0.0).flatten(1).sum(1)
    same(model.loss(Batch(x, None)).terms["recon"], nll)
    same(model.log_likelihood(x, model.encode(x).mean), -nll)


def test_the_vae_has_the_divergence_between_its_two_distributions(monkeypatch):
    model, (x, _) = vae(), batch()
    eps = torch.randn(1, 5, 2)
    monkeypatch.setattr(torch, "randn", lambda *shape, **_: eps)
    q = posterior_of(model.recognition, model.whole(x))
    p = posterior_of(model.code, model.encoder(x.masked_fill(model.hidden, 0.0)))
    terms = model.loss(Batch(x, None)).terms
    same(terms["kl"], kl_divergence(Independent(q, 1), Independent(p, 1)))
    mean = model.decoder(q.mean + q.stddev * eps[0]).sigmoid()
    nll = -(x * mean.log() + (1 - x) * (1 - mean).log())[:, model.hidden].sum(1)
    same(terms["recon"], nll)


def test_importance_sampling_of_its_code_is_the_likelihood_of_what_is_hidden():
    model, x = vae(), torch.rand(1, 1, 4, 2).round()
    grid = torch.linspace(-8, 8, 321)
    p = posterior_of(model.code, model.encoder(x.masked_fill(model.hidden, 0.0)))
    z = p.mean + p.stddev * torch.cartesian_prod(grid, grid)
    with torch.no_grad():
        mean = model.decoder(z).sigmoid()
        log_y = (x * mean.log() + (1 - x) * (1 - mean).log())[:, model.hidden].sum(1)
        steps = ((grid[1] - grid[0]) * p.stddev).log().sum()
        evidence = (log_y + p.log_prob(z).sum(1)).logsumexp(0) + steps
        e, log_q = (each[:, 0] for each in model.posterior(x).sample(20_000))
        log_w = model.log_likelihood(x.expand(len(e), *x.shape[1:]), e) + model.prior.log_prob(e) - log_q
    assert abs(log_mean_weight(log_w) - evidence) < 0.02
    same(Normal(0.0, 1.0).log_prob(e).sum(1), model.prior.log_prob(e))


def test_the_vae_completes_at_the_mean_of_what_is_seen():
    model, x = vae(seen=2).eval(), batch().x
    p = posterior_of(model.code, model.encoder(x.masked_fill(model.hidden, 0.0)))
    same(model.reconstruct(x), torch.where(model.hidden, model.decoder(p.mean).sigmoid(), x))
    with pytest.raises(NotApplicable, match="beside what is seen"):
        model.decode(model.encode(x).mean)


def test_a_digit_is_completed_better_than_by_the_mean_image():
    torch.set_default_dtype(torch.float32)
    for name in ("completion", "completion_vae"):
        task, data = made(f"model={name}", "corruption.seen=2")
        fit(task.model, (some for _ in range(6) for some in data.train.batches(64)))
        x, model = data.test.batch(data.test.x, data.test.y).x, task.model.eval()
        mean = data.train.batch(data.train.x, data.train.y).x.mean(0)
        error = (model.reconstruct(x) - x).square()[:, model.hidden].sum(1).mean()
        assert error < 0.8 * (mean - x).square()[:, model.hidden].sum(1).mean()


def test_what_cannot_be_completed_is_refused():
    with pytest.raises(UserError, match=r"hides the same part .* is Masking: choose corruption=quadrants"):
        make(Completion, corruption=Masking(0.5))
    with pytest.raises(UserError, match=r"code is Identity: choose code=gaussian, or model=completion"):
        make(CompletionVAE, corruption=Quadrants(1, 0.0, 1.0))
    with pytest.raises(UserError, match=r"corruption.seen=4 .* choose 1, 2 or 3"):
        Quadrants(4, 0.0, 1.0)
    with pytest.raises(UserError, match=r"needs images, but the shape is \(7,\): choose"):
        Quadrants(1, 0.0, 1.0)(torch.rand(2, 7))
