"""Finite scalar quantisation against its closed form."""

import itertools

import pytest
import torch
from composing import made
from conftest import same

from aeexp.codes.fsq import FSQ
from aeexp.errors import UserError


def quantised(levels, a):
    return FSQ(in_features=1, dim=len(levels), levels=levels).of(a).z


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 16])
def test_a_unit_takes_each_of_its_levels_and_no_other(n):
    z = quantised([n], torch.linspace(-12, 12, 4001)[:, None])
    found = z.unique()
    expected = (torch.arange(n) - n // 2) / (n // 2)
    same(found, expected.to(found))
    assert (z[1:] >= z[:-1]).all()  # and the order of its input
    same(quantised([n], torch.zeros(1, 1)), torch.zeros(1, 1))


@pytest.mark.parametrize("n", [3, 5, 7])
def test_of_an_odd_number_of_levels_the_nearest_is_taken_with_the_gradient_of_the_bound(n):
    a = torch.randn(50, 1, requires_grad=True)
    z = quantised([n], a)
    half = 1.001 * (n - 1) / 2
    bounded = half * a.detach().tanh()
    grid = torch.arange(n) - (n - 1) / 2
    nearest = grid[(bounded - grid).abs().argmin(1)][:, None]
    same(z.detach(), (nearest / (n // 2)).to(z))
    z.sum().backward()
    same(a.grad, half * (1 - a.detach().tanh().square()) / (n // 2))


def test_every_symbol_is_an_entry_and_back():
    levels = [4, 3, 2]
    code = FSQ(in_features=1, dim=6, levels=levels)
    grid = torch.tensor([*itertools.product(*[range(n) for n in levels])])
    scale = torch.tensor(levels) // 2
    z = (grid - scale) / scale
    pairs = torch.cat([z, z.flip(0)], dim=1)  # (24, 6), two symbols
    k = code.symbols(pairs)
    assert k.shape == (24, 2) and sorted(k[:, 0].tolist()) == [*range(24)]
    same(code.entries(k), pairs.to(code.entries(k)))
    same(code.symbols(pairs * 1.01), k)
    same(code.symbols(9 * torch.ones(1, 6)), torch.tensor([[23, 23]]))
    assert code.codebook_size == 24 and code.width == 3


def test_the_usage_of_the_codebook_is_counted():
    code = FSQ(in_features=1, dim=4, levels=[2, 2])
    found = code.of(torch.tensor([[-9.0, -9.0, -9.0, -9.0], [9.0, 9.0, -9.0, 9.0]])).stats["usage"]
    usage = found.summarize(found.per_example.mean(0))
    same(found.per_example.sum(1), torch.ones(2))
    assert usage["codes_used"] == 3
    p = torch.tensor([0.5, 0.25, 0.25])
    same(usage["perplexity"], torch.exp(-(p * p.log()).sum()).to(usage["perplexity"]))


@pytest.mark.parametrize(("dim", "levels"), [(6, [8, 5, 5, 5]), (4, [1, 3]), (4, []), (4, [2000])])
def test_levels_that_make_no_code_are_refused(dim, levels):
    with pytest.raises(UserError, match=rf"bottleneck.dim={dim}: choose levels from 2 to 1000"):
        FSQ(in_features=3, dim=dim, levels=levels)


def test_a_code_of_fewer_units_has_fewer_levels():
    assert FSQ(in_features=3, dim=2, levels=[8, 5, 5, 5]).codebook_size == 40


def test_a_prior_learns_the_symbols_of_features_of_any_size():
    task, data = made("model=vq_prior", "code=fsq", "code.levels=[3,4]", "bottleneck=4")
    with torch.no_grad():
        task.model.code.project.weight.mul_(1e4)
    batch = data.train[torch.arange(50)]
    assert task.model.loss(batch).terms["prior"].isfinite().all()
    drawn = task.model.prior.sample(20)
    same(task.model.code.entries(task.model.code.symbols(drawn)), drawn)
