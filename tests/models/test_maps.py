"""Codes with positions, as feature maps and tokens have: one file of a code serves them and vectors."""

import pytest
import torch
from composing import CODES, MODELS, assert_one_sentence, composed, configured, made
from conftest import same

from aeexp.app.build import build
from aeexp.app.components import code_size
from aeexp.context.base import EvaluationContext
from aeexp.errors import NotApplicable, UserError
from aeexp.types import Batch

POSITIONS = (2, 2)  # of the digits' 8x8


def on_map(*words):
    return made(*words, network=composed("network=conv_map")["network"], bottleneck={"dim": 4})


@pytest.fixture(scope="module")
def batch():
    x = torch.rand(24, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    return Batch(x, torch.arange(24) % 10)


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_a_map_is_that_of_each_position_as_a_vector(code, batch):
    task, _ = on_map(f"code={code}", *(["code.k=2"] if code == "topk" else []))
    model = task.model.train()
    loss = model.loss(batch)
    assert all(term.isfinite().all() and term.shape in ((), (24,)) for term in loss.terms.values())
    loss.total.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval()
    h = model.encoder(batch.x)
    assert h.shape[:-1] == (24, *POSITIONS)
    mean = model.encode(batch.x).mean
    assert mean.shape == (24, *POSITIONS, 4)
    same(mean.flatten(0, -2), model.code(h.flatten(0, -2)).mean)
    assert model.decode(mean).shape == batch.x.shape


@pytest.mark.parametrize("code", ["l1", "gaussian", "vq", "vq_gradient"])
def test_what_a_code_of_a_map_costs_is_the_sum_over_its_positions(code, batch):
    model = on_map(f"code={code}")[0].model.eval()
    h = model.encoder(batch.x)
    of_map = model.code(h).terms
    apart = model.code(h.flatten(0, -2)).terms
    for name, term in of_map.items():
        same(term, apart[name].view(24, -1).sum(1))


def test_a_prior_has_the_shape_of_the_codes(batch):
    model = on_map("model=vae")[0].model.eval()
    z = model.prior.sample(5)
    assert z.shape == (5, *POSITIONS, 4)
    normal = torch.distributions.Normal(0, 1)
    same(model.prior.log_prob(z), normal.log_prob(z).flatten(1).sum(1))
    q = model.posterior(batch.x)
    samples, log_q = q.sample(3)
    assert samples.shape == (3, 24, *POSITIONS, 4)
    of_each = torch.distributions.Normal(q.mu, (0.5 * q.log_var).exp()).log_prob(samples)
    same(log_q, of_each.flatten(2).sum(2))


@pytest.mark.parametrize("code", ["vq", "fsq"])
def test_symbols_of_a_map_stand_in_a_row_and_give_it_back(code, batch):
    task, _ = on_map("model=vq_prior", f"code={code}", *(["code.levels=[3,4]"] if code == "fsq" else []))
    model = task.model.eval()
    z = model.encode(batch.x).mean
    k = model.code.symbols(z)
    assert k.shape == (24, 4 * model.code.per_position)
    same(model.code.entries(k).view_as(z), z)
    first = model.code.symbols(z[:, :1, :1])
    assert torch.equal(k[:, : first.shape[1]], first)  # row by row
    drawn = model.prior.sample(6)
    assert drawn.shape == (6, *POSITIONS, 4) and model.decode(drawn).shape == (6, 1, 8, 8)


def test_the_label_is_shown_at_every_position(batch):
    model = on_map("model=conditional_vae")[0].model
    z = torch.randn(2, *POSITIONS, 4)
    shown = model.condition(z, torch.tensor([3, -1]))
    assert shown.shape == (2, *POSITIONS, 14)
    same(shown[..., :4], z)
    label = torch.zeros(2, *POSITIONS, 10)
    label[0, ..., 3] = 1
    same(shown[..., 4:], label)


def test_a_unit_is_active_where_any_position_is(batch):
    model = on_map("model=topk", "code.k=1", "model.k_aux=2")[0].model.train()
    model.loss(batch)
    active = (model.eval().encode(batch.x).mean != 0).flatten(0, -2).any(0)
    assert torch.equal(model.inactive_for == 0, active)


@pytest.mark.parametrize(
    ("words", "size"),
    [(["network=conv_map", "bottleneck=3"], 12), (["network=vit_tokens", "bottleneck=3"], 12), (["bottleneck=3"], 3)],
    ids=str,
)
def test_the_size_of_a_code_counts_its_positions(words, size):
    task, data = made("model=vae", *words)
    assert code_size(task.model, data.shape) == size
    assert code_size(made("model=unet")[0].model, data.shape) is None


@pytest.mark.slow
@pytest.mark.parametrize("evaluation", sorted(configured("evaluation=all")["evaluation"]))
@pytest.mark.parametrize("model", ["undercomplete", "vae", "vq_vae"])
def test_every_protocol_measures_codes_of_maps(model, evaluation, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.getbasetemp())
    task, data = on_map(f"model={model}", f"evaluation=[{evaluation}]")
    node = configured(f"evaluation=[{evaluation}]")["evaluation"][evaluation]
    try:
        result = build(node, evaluation)(EvaluationContext(task.model, data, None, model))
    except NotApplicable as refusal:
        assert_one_sentence(refusal)
        return
    assert result.metrics or result.figures


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("network", ["resnet_map", "vit_tokens"])
def test_every_model_has_codes_of_maps_or_says_why_not(model, network, batch):
    try:
        task, _ = made(f"model={model}", network=composed(f"network={network}")["network"], bottleneck={"dim": 8})
        assert task.model.loss(batch).total.isfinite()
    except UserError as refusal:
        assert_one_sentence(refusal)
