"""Quantisers against their closed forms, and against vector-quantize-pytorch with the same weights."""

from functools import partial

import pytest
import torch
from conftest import same
from torch.distributions import Bernoulli
from vector_quantize_pytorch import FSQ as TheirFSQ
from vector_quantize_pytorch import LFQ as TheirLFQ
from vector_quantize_pytorch import ResidualVQ, VectorQuantize

from aeexp.codes.codebooks import Gradient, MovingAverage, Spherical
from aeexp.codes.fsq import FSQ
from aeexp.codes.lfq import LFQ
from aeexp.codes.vq import VQ, Product
from aeexp.errors import UserError

LEARNING = {"moving average": MovingAverage, "gradient": Gradient, "spherical": Spherical}
over_codebooks = pytest.mark.parametrize("codebook", LEARNING.values(), ids=LEARNING)
DIM = 6


@pytest.fixture(autouse=True)
def repeatable():
    torch.manual_seed(0)


def quantiser(kind=VQ, codebook=MovingAverage, **options):
    settings = {"codes": 7, "width": DIM, "depth": 1, "beta": 0.25, "decay": 0.8, "dead": 0.0}
    return kind(DIM, DIM, codebook=codebook, **{**settings, **options})


def brute_force(v, entries):
    """(N, W), (K, W) -> the index of the nearest, (N,)"""
    return torch.stack([(entries - one).square().sum(1).argmin() for one in v])


# vector quantisation


@pytest.mark.parametrize("cosine", [False, True])
def test_vectors_become_what_they_become_in_the_library(cosine):
    code = quantiser(codebook=Spherical if cosine else MovingAverage).eval()
    library = VectorQuantize(DIM, 7, use_cosine_sim=cosine, rotation_trick=False).eval()
    library._codebook.embed.copy_(code.codebooks[0].entries[None])
    a = torch.randn(20, DIM)
    expected, k, _ = library(a)
    same(code.of(a).z, expected)
    assert torch.equal(code.symbols(a)[:, 0], k)


def test_a_codebook_moves_as_the_librarys_does():
    code = quantiser(decay=0.8).train()
    library = VectorQuantize(DIM, 7, decay=0.8, eps=0.0, rotation_trick=False).train()
    book, theirs = code.codebooks[0], library._codebook
    book.used.fill_(1.0)  # as if each entry had been chosen once
    theirs.cluster_size.fill_(1.0)
    theirs.embed.copy_(book.entries[None])
    theirs.embed_avg.copy_(book.entries[None])
    start = book.entries.clone()
    for _ in range(4):
        a = torch.randn(64, DIM)
        code.of(a)
        library(a)
    same(book.entries, theirs.embed[0])
    assert (book.entries - start).norm() > 1


def test_spherical_vectors_and_entries_have_length_one_and_gradients_across_the_sphere():
    code = quantiser(codebook=Spherical, dead=0.1).train()
    a = (5 * torch.randn(30, DIM)).requires_grad_()
    for _ in range(3):
        z = code.of(a).z
        same(code.codebooks[0].entries.norm(dim=1), torch.ones(7))
        same(z.detach().norm(dim=1), torch.ones(30))
    weight = torch.randn(DIM)
    (gradient,) = torch.autograd.grad((z * weight).sum(), a)
    same((gradient * a).sum(1), torch.zeros(30), rtol=0, atol=1e-5)  # the length of a says nothing
    unit = torch.nn.functional.normalize(a.detach(), dim=1)
    same(gradient, (weight - unit * (unit @ weight)[:, None]) / a.detach().norm(dim=1, keepdim=True))


def test_a_spherical_entry_is_the_one_of_the_least_angle():
    code = quantiser(codebook=Spherical).eval()
    a, e = torch.randn(30, DIM), code.codebooks[0].entries
    cosines = torch.nn.functional.cosine_similarity(a[:, None], e[None], dim=2)
    assert torch.equal(code.symbols(a)[:, 0], cosines.argmax(1))


# several codebooks


def test_a_product_is_a_code_for_each_part():
    code = quantiser(Product, width=2, codes=5).eval()
    a = torch.randn(20, DIM)
    found, k = code.of(a), code.symbols(a)
    assert len(code.codebooks) == 3 and k.shape == (20, 3)
    cost = 0.0
    for i, (part, book) in enumerate(zip(a.split(2, 1), code.codebooks, strict=True)):
        nearest = brute_force(part, book.entries)
        assert torch.equal(k[:, i], nearest)
        same(found.z[:, 2 * i : 2 * i + 2], book.entries[nearest])
        cost = cost + 0.25 * (part - book.entries[nearest]).square().sum(1)
    same(found.terms["vq"], cost)


def test_residuals_become_what_they_become_in_the_library():
    code = quantiser(depth=3).eval()
    library = ResidualVQ(dim=DIM, num_quantizers=3, codebook_size=7, rotation_trick=False).eval()
    for book, theirs in zip(code.codebooks, library.layers, strict=True):
        theirs._codebook.embed.copy_(book.entries[None])
    a = torch.randn(20, DIM)
    expected, k, _ = library(a[:, None])
    same(code.of(a).z, expected[:, 0])
    assert torch.equal(code.symbols(a), k[:, 0])


def test_each_codebook_in_a_row_quantises_what_is_left_over_and_costs():
    code = quantiser(depth=2).eval()
    a = torch.randn(20, DIM)
    first, second = (book.entries for book in code.codebooks)
    e = first[brute_force(a, first)]
    f = second[brute_force(a - e, second)]
    same(code.of(a).z, e + f)
    same(code.of(a).terms["vq"], 0.25 * ((a - e).square() + (a - e - f).square()).sum(1))


def test_more_codebooks_in_a_row_lose_less():
    a = torch.randn(500, DIM)
    errors = []
    for depth in (1, 2, 4):
        torch.manual_seed(0)
        code = quantiser(depth=depth, codes=16, dead=0.05).train()
        for _ in range(30):
            code.of(a)
        errors.append((code.eval().of(a).z - a).square().sum(1).mean().item())
    assert errors[0] > 1.3 * errors[1] > 1.3**2 * errors[2]


@pytest.mark.parametrize("kind", [VQ, Product])
@pytest.mark.parametrize(("width", "depth"), [(6, 1), (6, 3), (2, 1), (3, 2)])
def test_the_gradient_of_the_decoder_passes_as_it_is_and_symbols_give_the_code_back(kind, width, depth):
    code = quantiser(kind, width=width, depth=depth).eval()
    a, g = torch.randn(4, 2, 3, DIM, requires_grad=True), torch.randn(4, 2, 3, DIM)
    found = code.of(a)
    same(torch.autograd.grad((found.z * g).sum(), a)[0], g)
    k = code.symbols(a.detach())
    assert k.shape == (4, 6 * code.per_position) and code.per_position == DIM // width * depth
    same(code.entries(k).view_as(a), found.z.detach())
    usage = found.stats["usage"].per_example
    assert usage.shape == (4, len(code.codebooks), 7)
    same(usage.sum(2), torch.ones(4, len(code.codebooks)))


def test_codebooks_are_counted_apart_and_averaged():
    code = quantiser(Product, width=3, codes=4).eval()
    code.codebooks[0].entries[:] = torch.arange(4)[:, None]
    code.codebooks[1].entries[:] = torch.arange(4)[:, None]
    a = torch.cat([torch.arange(4.0)[:, None].expand(4, 3), torch.zeros(4, 3)], dim=1)  # all of one, one of the other
    usage = code.of(a).stats["usage"]
    means = usage.summarize(usage.per_example.mean(0))
    assert {name: value.item() for name, value in means.items()} == {"perplexity": 2.5, "codes_used": 2.5}


def test_what_leaves_nothing_over_is_not_quantised_again():
    with pytest.raises(UserError, match=r"code.depth=2 .* choose code.depth=1"):
        quantiser(codebook=Spherical, depth=2)


@pytest.mark.parametrize("options", [{"width": 4}, {"width": 0}, {"depth": 0}])
def test_a_code_that_cannot_be_split_is_refused(options):
    with pytest.raises(UserError, match=r"bottleneck.dim=6: choose at least 1 of each"):
        quantiser(**options)


# without a codebook that learns


def lookup_free(dim=4, width=4, weight=1.0, beta=0.5, temperature=1.0):
    return LFQ(3, dim, width=width, weight=weight, beta=beta, temperature=temperature)


def test_signs_and_entropies_are_the_librarys():
    code = lookup_free(temperature=2.0).train()
    library = TheirLFQ(dim=4, codebook_size=16, commitment_loss_weight=1.0).train()
    a = torch.randn(50, 4)
    found = code.of(a)
    (z, k, _), (sure, even, commitment) = library(a[:, None], inv_temperature=0.5, return_loss_breakdown=True)
    same(found.z, z[:, 0])
    same(found.terms["entropy"].mean(), sure - even)
    same(found.terms["commitment"].mean(), 0.5 * 4 * commitment)
    reversed_bits = torch.tensor([int(f"{i:04b}"[::-1], 2) for i in range(16)])  # theirs has the first unit's bit first
    assert torch.equal(code.symbols(found.z)[:, 0], reversed_bits[k[:, 0].long()])


def test_the_entropy_of_a_symbol_is_the_sum_of_those_of_its_bits():
    code, a = lookup_free(width=2).train(), torch.randn(30, 4)
    found = code.of(a).terms["entropy"]
    q = Bernoulli(logits=4 * a)
    symbols = torch.stack([q.probs.view(-1, 2), 1 - q.probs.view(-1, 2)])  # (2, 60, 2): +, -
    pairs = torch.stack([symbols[i, :, 0] * symbols[j, :, 1] for i in (0, 1) for j in (0, 1)]).mean(1)
    even = -(pairs * pairs.log()).sum()
    same(found, q.entropy().sum(1) - 2 * even)
    assert found.sum() < 0  # by the concavity of the entropy


def test_entropies_of_sure_symbols_have_a_gradient():
    a = (1e3 * torch.randn(5, 4)).requires_grad_()
    entropy = lookup_free().train().of(a).terms["entropy"]
    (gradient,) = torch.autograd.grad(entropy.sum(), a)
    assert gradient.isfinite().all() and entropy.isfinite().all()


def test_every_corner_is_a_symbol_and_back():
    code = lookup_free(dim=6, width=3)
    k = torch.cartesian_prod(torch.arange(8), torch.arange(8))
    z = code.entries(k)
    assert z.shape == (64, 6) and set(z.unique().tolist()) == {-1.0, 1.0} and len(z.unique(dim=0)) == 64
    assert torch.equal(code.symbols(0.1 * z), k)
    assert code.codebook_size == 8 and code.per_position == 2


@pytest.mark.parametrize(("dim", "width", "temperature"), [(6, 4, 1.0), (4, 0, 1.0), (32, 32, 1.0), (4, 4, 0.0)])
def test_bits_that_make_no_symbols_are_refused(dim, width, temperature):
    with pytest.raises(UserError, match=rf"bottleneck.dim={dim} .*: choose a width from 1 to 16"):
        lookup_free(dim=dim, width=width, temperature=temperature)


@pytest.mark.parametrize("levels", [[8, 5, 5, 5], [3, 4], [5]])
def test_levels_are_the_librarys(levels):
    code, library = FSQ(1, len(levels), levels=levels), TheirFSQ(levels)
    a = 2 * torch.randn(200, len(levels))
    expected, k = library(a[:, None])
    same(code.of(a).z, expected[:, 0])
    assert torch.equal(code.symbols(code.of(a).z)[:, 0], k[:, 0].long())


# all of them


@pytest.mark.parametrize(
    "made",
    [
        *(partial(quantiser, codebook=book, codes=8) for book in LEARNING.values()),
        partial(quantiser, Product, width=3, codes=4, dead=0.01),
        partial(quantiser, depth=2, codes=4, dead=0.01),
        partial(lookup_free, dim=DIM, width=3),
        partial(FSQ, DIM, DIM, [2] * DIM),
    ],
    ids=["vq", "vq_gradient", "vq_cosine", "vq_product", "vq_residual", "lfq", "fsq"],
)
def test_one_file_serves_vectors_and_maps(made):
    code = made().eval()
    a = torch.randn(5, 2, 3, DIM)
    same(code.of(a).z.flatten(0, 2), code.of(a.flatten(0, 2)).z)
    same(code.symbols(a).view(30, -1), code.symbols(a.flatten(0, 2)))
