"""Discrete, conditional, adversarial, stacked and masked models against a second statement of their equations."""

from functools import partial
from math import log, sqrt
from types import SimpleNamespace

import pytest
import torch
from conftest import killed_once_it_has_a_checkpoint, same
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from aeexp import corruptions, initializations, likelihoods
from aeexp.app.build import build
from aeexp.app.check import check
from aeexp.app.components import make_model, make_task
from aeexp.app.sweep import points
from aeexp.codes import binary, codebooks, vq
from aeexp.codes.gaussian import Gaussian
from aeexp.codes.identity import Identity
from aeexp.errors import UserError
from aeexp.models.adversarial import Adversarial
from aeexp.models.base import Components
from aeexp.models.conditional_vae import ConditionalVAE
from aeexp.models.masked import Masked
from aeexp.models.regularized import Regularized
from aeexp.models.stacked import Stacked
from aeexp.networks.conv import Conv
from aeexp.networks.features import Vector
from aeexp.networks.mlp import MLP
from aeexp.networks.vit import Patches, ViT, Whole
from aeexp.runs.run import find
from aeexp.types import Batch

SHAPE = (1, 4, 4)
VIT = ViT(patch=2, width=8, depth=2, decoder_width=4, decoder_depth=1, heads=2)


pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")


def batch(n=6):
    return Batch(torch.rand(n, *SHAPE), torch.arange(n) % 3)


def make(model, code=None, network=None, dim=3, **options):
    parts = {
        "likelihood": likelihoods.Bernoulli(1),
        "corruption": corruptions.Uncorrupted(),
        "initialization": initializations.Torch(),
    }
    given = {name: options.pop(name) for name in parts if name in options}
    network, code = network or MLP([], "ReLU"), code or partial(Identity, activation="Sigmoid")
    return model(Components(shape=SHAPE, dim=dim, network=network, code=code, **{**parts, **given}), **options)


def refused(*words, by):
    with pytest.raises(UserError) as refusal:
        by()
    text = str(refusal.value)
    assert "choose" in text and "\n" not in text and ". " not in text
    assert [word for word in words if word not in text] == []


def gradients(of, parameters):
    return torch.autograd.grad(of, list(parameters), retain_graph=True, allow_unused=True)


# binary codes

BINARY = {
    "rounded": binary.Rounded,
    "noisy": partial(binary.Noisy, std=2.0),
    "straight-through": binary.StraightThrough,
}
over_binary = pytest.mark.parametrize("model", BINARY.values(), ids=BINARY)


@over_binary
def test_bits_tell_the_sign_of_the_pre_activation_in_training_and_out_of_it(model):
    code, h = model(5, 4), torch.randn(50, 5)
    for mode in (code.train(), code.eval()):
        assert torch.equal(mode(h).mean, (code.project(h) > 0).double())


@over_binary
def test_bits_have_the_gradient_of_the_sigmoid(model):
    code, h, g = model(5, 4), torch.randn(7, 5), torch.randn(7, 4)
    a = code.project(h).detach()
    expected = (g * a.sigmoid() * a.sigmoid().neg().add(1)).T @ h  # chain rule, by hand
    same(gradients((code(h).mean * g).sum(), [code.project.weight])[0], expected)


def test_rounded_code_is_trained_as_a_sigmoid_code():
    code = binary.Rounded(5, 4)
    sigmoid = Identity(5, 4, "Sigmoid")
    sigmoid.project.load_state_dict(code.project.state_dict())
    h = torch.randn(7, 5)
    same(code(h).z, sigmoid(h).z)
    same(
        gradients(code(h).z.square().sum(), code.parameters()),
        gradients(sigmoid(h).z.square().sum(), sigmoid.parameters()),
    )


def test_noisy_code_without_noise_is_the_sigmoid_and_with_it_its_logit_is_normal():
    h = torch.randn(1, 5)
    still, noisy = binary.Noisy(5, 4, std=0.0), binary.Noisy(5, 4, std=2.0)
    same(still(h).z, still.project(h).sigmoid())
    eps = (noisy(h.expand(20_000, 5)).z.logit() - noisy.project(h)) / 2
    assert eps.mean().abs() < 5 / sqrt(eps.numel())
    p, n = Normal(0, 1).cdf(eps.flatten()).sort().values, eps.numel()
    assert (p - (torch.arange(n) + 0.5) / n).abs().max() < 2 / sqrt(n)


@pytest.mark.parametrize("model", ["noisy", "straight-through"])
def test_the_noise_of_a_code_is_part_of_the_objective_in_validation_too(model):
    code, h = BINARY[model](5, 4).eval(), torch.randn(70, 5)
    assert not torch.equal(code(h).z, code(h).z) and torch.equal(code(h).mean, code(h).mean)


def test_straight_through_samples_bernoulli_bits_with_the_probabilities_of_the_sigmoid():
    code, h, n = binary.StraightThrough(5, 4), torch.randn(1, 5), 20_000
    z = code(h.expand(n, 5)).z
    p = code.project(h).sigmoid().squeeze(0)
    assert set(z.unique().tolist()) == {0.0, 1.0}
    assert ((z.mean(0) - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()


def test_noise_drives_the_pre_activations_apart_and_rounding_costs_less():
    def trained(code):
        torch.manual_seed(0)
        model, x = make(Regularized, code, MLP([32], "ReLU"), dim=4), (torch.rand(64, *SHAPE) < 0.5).double()[:8]
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        for _ in range(400):
            optimizer.zero_grad()
            model.loss(Batch(x, x[:, 0, 0, 0])).total.backward()
            optimizer.step()
        return model.eval().code(model.encoder(x)).stats["saturated"].mean()

    assert trained(BINARY["noisy"]) > trained(partial(binary.Noisy, std=0.0)) + 0.2


# vector quantisation

CODEBOOKS = {"moving average": codebooks.MovingAverage, "gradient": codebooks.Gradient}
over_codebooks = pytest.mark.parametrize("model", CODEBOOKS.values(), ids=CODEBOOKS)


def quantized(model, dim=6, **options):
    settings = {"codes": 5, "width": 2, "depth": 1, "beta": 0.25, "decay": 0.9, "dead": 0.0, **options}
    return vq.VQ(4, dim, codebook=model, **settings)


@over_codebooks
def test_each_position_is_its_nearest_entry(model):
    code, h = quantized(model).eval(), torch.randn(7, 4)
    z_e = code.project(h).view(7, 3, 2)
    distance = (z_e[:, :, None] - code.codebooks[0].entries).square().sum(-1)  # (B, positions, K), brute force
    same(code(h).z.view(7, 3, 2), code.codebooks[0].entries[distance.argmin(-1)])
    assert torch.equal(code(h).z, code(h).mean)


@over_codebooks
def test_gradient_of_the_decoder_passes_to_the_encoder_as_it_is(model):
    code, h, g = quantized(model), torch.randn(7, 4), torch.randn(7, 6)
    same(gradients((code(h).z * g).sum(), [code.project.weight])[0], g.T @ h)


@over_codebooks
def test_commitment_draws_z_e_to_its_entry_and_a_learned_entry_to_its_z_e(model):
    code, h = quantized(model).eval(), torch.randn(7, 4)
    z_e, e = code.project(h).detach(), code(h).z.detach()
    found = code(h).terms["vq"].sum()
    same(gradients(found, [code.project.weight])[0], (2 * 0.25 * (z_e - e)).T @ h)
    if model is codebooks.Gradient:
        k = code.codebooks[0].nearest(z_e.view(-1, 2))
        pull = 2 * (e - z_e).view(-1, 2)
        expected = torch.stack([pull[k == i].sum(0) for i in range(5)])
        same(gradients(found, [code.codebooks[0].entries])[0], expected)
        same(code(h).terms["vq"], 1.25 * (z_e - e).square().sum(1))
    else:
        same(code(h).terms["vq"], 0.25 * (z_e - e).square().sum(1))


def test_moving_average_is_that_of_the_sums_and_counts_of_what_chose_an_entry():
    code = quantized(codebooks.MovingAverage, decay=0.7)
    m, n = torch.zeros(5, 2), torch.zeros(5)
    m.copy_(code.codebooks[0].entries)  # as if each entry had been chosen once
    n.fill_(1.0)
    code.codebooks[0].used.fill_(1.0)
    for _ in range(5):
        h = torch.randn(9, 4)
        z_e = code.project(h).detach().view(-1, 2)
        k = (z_e[:, None] - m / n[:, None]).square().sum(-1).argmin(1)
        code(h)
        for i in range(5):
            m[i] = 0.7 * m[i] + 0.3 * z_e[k == i].sum(0)
            n[i] = 0.7 * n[i] + 0.3 * (k == i).sum()
        same(code.codebooks[0].entries, m / n[:, None])
        same(code.codebooks[0].used, n)


@over_codebooks
def test_entries_that_nobody_chooses_start_again_from_the_batch_and_others_stay(model):
    code = quantized(model, dead=0.1)
    code.codebooks[0].entries.data[0], code.codebooks[0].used[:] = 1e3, 1.0
    h = torch.randn(9, 4)
    before = code.codebooks[0].entries.detach().clone()
    code.codebooks[0].used[0] = 0.05
    code.project.requires_grad_(False)
    z_e = code.project(h).view(-1, 2)
    code.codebooks[0].restart(z_e)
    assert (z_e == code.codebooks[0].entries[0]).all(1).any()
    assert torch.equal(code.codebooks[0].entries[1:], before[1:])


@over_codebooks
def test_every_entry_comes_from_the_first_batch(model):
    code, h = quantized(model, dead=0.1), torch.randn(50, 4)
    code.codebooks[0].restart(code.project(h).detach().view(-1, 2))
    z_e = code.project(h).view(-1, 1, 2)
    assert (z_e == code.codebooks[0].entries).all(2).any(0).all()


@over_codebooks
def test_nothing_learns_outside_of_training(model):
    code = quantized(model, dead=10.0).eval()
    before = {name: value.clone() for name, value in code.state_dict().items()}
    code(torch.randn(9, 4))
    same(code.state_dict(), before)


def test_perplexity_counts_entries_that_are_used_alike():
    for n in (1, 3, 8):
        usage = torch.zeros(8)
        usage[:n] = 1 / n
        assert {k: round(v.item(), 6) for k, v in codebooks.perplexity(usage).items()} == {
            "perplexity": n,
            "codes_used": n,
        }


@over_codebooks
def test_usage_is_counted_over_examples(model):
    code, h = quantized(model).eval(), torch.randn(50, 4)
    often = code(h).stats["usage"].per_example.mean(0)[0]
    k = code.codebooks[0].nearest(code.project(h).view(-1, 2))
    same(often, k.bincount(minlength=5) / 150)


def test_codebook_with_one_entry_for_each_vector_loses_nothing():
    code, h = quantized(codebooks.Gradient, codes=30).eval(), torch.randn(10, 4)
    code.codebooks[0].entries.data = code.project(h).detach().view(-1, 2)
    same(code(h).z, code.project(h))
    same(code(h).terms["vq"], torch.zeros(10))


def test_code_that_cannot_be_split_is_refused():
    refused("code.width=4", "bottleneck.dim=6", by=lambda: quantized(codebooks.Gradient, width=4))
    refused("code.codes=1", by=lambda: quantized(codebooks.Gradient, codes=1))
    assert quantized(codebooks.Gradient, dim=1, width=2)(torch.randn(3, 4)).z.shape == (3, 1)


# conditional

vae = partial(Gaussian, beta=1.0)


def conditional(**options):
    return make(ConditionalVAE, options.pop("code", vae), **{"classes": 3, "hidden": 0.0, **options})


def test_conditional_objective_is_the_elbo_of_x_given_y():
    model, (x, y) = conditional(), batch()
    torch.manual_seed(1)
    loss = model.loss(Batch(x, y))
    torch.manual_seed(1)
    torch.rand(len(y))  # the labels that are hidden
    labels = torch.eye(3)[y] @ model.channel.weight.T
    mu, log_var = model.code.project(torch.cat([x.flatten(1), labels], 1)).chunk(2, 1)
    q = Independent(Normal(mu, (log_var / 2).exp()), 1)
    z = q.rsample()
    theta = model.decoder[0](torch.cat([z, torch.eye(3)[y]], 1))
    log_p = Independent(Bernoulli(logits=theta, validate_args=False), 1).log_prob(x.flatten(1))
    prior = Independent(Normal(torch.zeros(6, 3), 1), 1)
    same(loss.total, (kl_divergence(q, prior) - log_p).mean())


def test_conditional_model_without_labels_is_the_vae_of_the_same_weights():
    model, x = conditional(), batch().x
    plain = make(Regularized, vae)
    for ours, theirs in ((model.code.project, plain.code.project), (model.decoder[0], plain.decoder[0])):
        theirs.weight.data, theirs.bias.data = ours.weight.data[:, : theirs.in_features], ours.bias.data
    unlabelled = torch.full((6,), -1)
    same(model.encode(x).mean, plain.encode(x).mean)
    same(model.reconstruct(x), plain.reconstruct(x))
    same(model.reconstruct(x, unlabelled), model.reconstruct(x))
    same(model.decode(torch.ones(6, 3), unlabelled), plain.decode(torch.ones(6, 3)))


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 4, 4), (8, 2), (12,)], ids=str)
def test_every_layer_of_the_encoder_sees_the_class(shape):
    components = Components(
        shape=shape,
        dim=3,
        network=MLP([7, 5], "Tanh"),
        code=vae,
        likelihood=likelihoods.Bernoulli(1),
        corruption=corruptions.Uncorrupted(),
        initialization=initializations.Torch(),
    )
    model, x, seen = ConditionalVAE(components, classes=3, hidden=0.0), torch.rand(1, *shape), []
    for layer in model.encoder:
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(lambda layer, given, out: seen.append(out))
    model.encode(x.expand(3, *shape), torch.arange(3))
    assert len(seen) == 2
    assert all(torch.cdist(h, h).triu(1).unique()[1] > 1e-3 for h in seen)


def test_class_changes_what_is_generated_and_each_example_has_its_own():
    model, z = conditional(), torch.randn(1, 3)
    together = model.decode(z.expand(3, 3), torch.arange(3))
    alone = torch.cat([model.decode(z, torch.tensor([y])) for y in range(3)])
    same(together, alone)
    assert torch.cdist(together.flatten(1), together.flatten(1)).triu(1).unique()[1] > 1e-3


@pytest.mark.parametrize("hidden", [0.0, 0.3, 1.0])
def test_hidden_labels_are_as_many_as_asked_in_training_and_none_elsewhere(hidden):
    model, n = conditional(hidden=hidden, code=partial(Identity, activation="Identity")), 4000
    x, y = torch.rand(1, *SHAPE).expand(n, *SHAPE), torch.zeros(n, dtype=torch.int64)
    with_y, without = (
        model.likelihood.nll(model.decoder(model.condition(model.encode(x, t).z, t)), x) for t in (y, y - 1)
    )
    recon = model.loss(Batch(x, y)).terms["recon"]
    is_hidden = (recon - without).abs() < 1e-9
    assert (is_hidden | ((recon - with_y).abs() < 1e-9)).all()
    assert abs(is_hidden.sum() - hidden * n) <= 5 * sqrt(n * hidden * (1 - hidden))
    same(model.eval().loss(Batch(x, y)).terms["recon"], with_y)


@pytest.mark.parametrize("classes", [None, 0, 1])
def test_conditional_model_refuses_data_without_classes(classes):
    refused("reads labels", f"data.classes={classes}", by=lambda: conditional(classes=classes))


# adversarial


def adversarial(weight=2.0, **options):
    return make(Adversarial, weight=weight, discriminator=MLP([7], "Tanh"), **options)


def test_each_player_follows_the_gradient_of_its_own_objective():
    model, data = adversarial(), batch()
    torch.manual_seed(1)
    total = model.loss(data).total
    torch.manual_seed(1)
    recon, code = model.reconstruction_nll(data.x)
    on_drawn, on_code = model.discriminator(torch.randn_like(code.z)).sigmoid(), model.discriminator(code.z).sigmoid()
    autoencoders = (recon - 2 * on_code.log()).mean()
    discriminators = -(on_drawn.log() + (1 - on_code).log()).mean()
    players = [*model.encoder.parameters(), *model.code.parameters(), *model.decoder.parameters()]
    same(gradients(total, players), gradients(autoencoders, players))
    player = list(model.discriminator.parameters())
    same(gradients(total, player), gradients(discriminators, player))
    same(total, autoencoders + discriminators)


def test_at_the_equilibrium_the_discriminator_knows_nothing():
    model, data = adversarial(), batch()
    for parameter in model.discriminator.parameters():
        nn.init.zeros_(parameter)
    means = model.loss(data).means
    same(means["generator"], torch.tensor(2 * log(2)))
    same(means["discriminator"], torch.tensor(2 * log(2)))


# stacked


def stacked(tied=False, **options):
    return make(Stacked, network=MLP([7, 5], "Tanh"), tied=tied, **options)


def three_layers(model):
    """(weight, bias) of f_1, f_2, f_3 and of g_1, g_2, g_3"""
    up = [model.encoder[1], model.encoder[3], model.code.project]
    down = [model.decoder[4], model.decoder[2], model.decoder[0]]
    return [[(layer.weight, layer.bias) for layer in layers] for layers in (up, down)]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_each_stage_reconstructs_its_own_input_by_one_layer(k):
    model, (x, y) = stacked(), batch()
    up, down = three_layers(model)
    s = [torch.tanh, torch.tanh, torch.sigmoid]
    h = [x.flatten(1)]
    for i in range(3):
        h.append(s[i](h[i] @ up[i][0].T + up[i][1]))
    back = h[k] @ down[k - 1][0].T + down[k - 1][1]
    if k == 1:
        p = back.sigmoid()
        expected = -(h[0] * p.log() + (1 - h[0]) * (1 - p).log()).sum(1)
    else:
        expected = (h[k - 1] - back.tanh()).square().sum(1)
    model.stage = k
    same(model.loss(Batch(x, y)).terms["recon"], expected)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_each_stage_trains_its_own_layer_alone(k):
    model = stacked()
    model.stage = k
    up, down = three_layers(model)
    model.loss(batch()).total.backward()
    own = {id(p) for p in (*up[k - 1], *down[k - 1])}
    assert {id(p) for p in model.parameters() if p.grad is not None} == own


def test_all_together_and_out_of_training_it_is_the_deep_autoencoder():
    model, data = stacked(), batch()
    deep = make(Regularized, network=MLP([7, 5], "Tanh"))
    deep.load_state_dict(model.state_dict())
    same(model.loss(data).terms, deep.loss(data).terms)
    model.stage = 2
    same(model.eval().loss(data).terms, deep.loss(data).terms)


def test_tied_decoder_has_the_transposed_weights_and_stays_tied():
    model, data = stacked(tied=True), batch()
    untied = sum(p.numel() for p in stacked().parameters())
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    model.loss(data).total.backward()
    optimizer.step()
    up, down = three_layers(model)
    h = model.encode(data.x).z
    for (w, _), (_, c), s in zip(reversed(up), reversed(down), [torch.tanh, torch.tanh, torch.sigmoid], strict=True):
        h = s(h @ w + c)
    same(model.reconstruct(data.x).flatten(1), h)
    assert sum(p.numel() for p in model.parameters()) == untied - (16 * 7 + 7 * 5 + 5 * 3)


def test_each_layer_sees_a_corrupted_input():
    model, (x, y) = stacked(corruption=corruptions.Masking(1.0)), batch()
    for k in (1, 2, 3):
        model.stage = k
        pairs = model.network.layer_pairs(model.encoder, model.code, model.decoder)
        h, (f, g) = x, pairs[k - 1]
        for below, _ in pairs[: k - 1]:
            h = below(h)
        blind = f(torch.zeros_like(h))
        back = g(blind if k < 3 else blind.z)
        expected = model.likelihood.nll(back, x) if k == 1 else (h - back).square().sum(1)
        same(model.loss(Batch(x, y)).terms["recon"], expected)


def test_stack_refuses_convolutions_and_ties_to_what_is_no_layer():
    conv = Conv([], [2], "ReLU", Vector())
    refused("model=stacked", "Conv", "network=mlp", by=lambda: make(Stacked, network=conv, tied=False))
    refused("tied", "Gaussian", by=lambda: stacked(tied=True, code=vae))


# masked


def masked(ratio=0.5, dim=3, **options):
    return make(Masked, partial(Identity, activation="Identity"), VIT, dim=dim, ratio=ratio, **options)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 6, 4)], ids=str)
def test_patches_are_squares_in_reading_order_and_come_back(shape):
    x = torch.rand(2, *shape)
    patches = Patches(2)(x)
    squares = [x[:, :, i : i + 2, j : j + 2].flatten(1) for i in range(0, shape[1], 2) for j in range(0, shape[2], 2)]
    same(patches, torch.stack(squares, 1))
    same(Whole(shape, 2)(patches), x)


def seen(model, monkeypatch, order):
    """The objective with this order of patches: the first are visible."""
    monkeypatch.setattr(torch, "rand", lambda *size, device: torch.tensor(order, dtype=torch.float64).expand(*size))


def test_loss_is_that_of_the_masked_patches_and_the_encoder_sees_none_of_them(monkeypatch):
    model, (x, y) = masked(), batch()
    seen(model, monkeypatch, [0.0, 1.0, 2.0, 3.0])  # the upper half is visible
    recon = model.loss(Batch(x, y)).terms["recon"]
    theta = model.whole(model._write(model._read(x, torch.tensor([[0, 1]] * 6)).z, torch.tensor([[0, 1]] * 6)))
    same(recon, model.likelihood.nll(theta[:, :, 2:], x[:, :, 2:]))
    other = x.clone()
    other[:, :, 2:] = 1 - other[:, :, 2:]
    z = [model._read(image, torch.tensor([[0, 1]] * 6)).z for image in (x, other)]
    same(*z)
    assert z[0].shape == (6, 2, 3)
    # log p is linear in x for Bernoulli: what is masked moves the loss as theta says, and not through the code
    moved = model.loss(Batch(other, y)).terms["recon"]
    same(moved - recon, (theta[:, :, 2:] * (2 * x[:, :, 2:] - 1)).sum((1, 2, 3)))


@pytest.mark.parametrize(("ratio", "count"), [(0.25, 3), (0.5, 2), (0.75, 1)])
def test_mask_ratio_is_the_fraction_of_patches_that_are_not_seen(ratio, count):
    model = masked(ratio)
    assert model.visible == count
    drawn = model.reconstruct(batch().x)
    assert (Patches(2)(drawn) == Patches(2)(batch(6).x)).all(2).sum() <= 6 * count


def test_masks_are_drawn_uniformly_and_anew():
    model, n = masked(), 3000
    x = torch.zeros(n, *SHAPE)
    places = []
    model.encoder.register_forward_hook(lambda module, given, out: places.append(given[0]))
    model.loss(Batch(x, x))
    model.loss(Batch(x, x))
    tokens = model.embedding(x[:1])[0]  # (N, width): blank patches differ by their place
    which = torch.cdist(places[0], tokens[None]).argmin(2)
    often = which.flatten().bincount(minlength=4) / n
    assert ((often - 0.5).abs() < 5 * sqrt(0.25 / n)).all()
    assert not torch.equal(*places)


def test_reconstruction_keeps_what_is_seen_and_does_not_depend_on_the_rest():
    model, x = masked(0.75).eval(), batch().x
    first = model.fixed[:1]
    back = Patches(2)(model.reconstruct(x))
    same(back[:, first], Patches(2)(x)[:, first])
    other = Patches(2)(1 - x)
    other[:, first] = Patches(2)(x)[:, first]
    same(Patches(2)(model.reconstruct(Whole(SHAPE, 2)(other))), back)


def test_decoding_the_code_of_all_patches_follows_the_order_of_patches():
    model, x = masked().eval(), batch().x
    code = model.encode(x)
    assert code.mean.shape == (6, 4, 3)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = order.expand(6, -1)
    same(model._read(x, shuffled).mean, code.mean[:, order])  # blocks are equivariant
    same(model.likelihood.mean(model.whole(model._write(code.mean[:, order], shuffled))), model.decode(code.mean))


def test_masked_model_refuses_other_networks_and_masks_of_nothing():
    refused("model=masked", "MLP", by=lambda: make(Masked, ratio=0.5))
    for ratio in (0.0, 0.1, 0.9, 1.0):
        refused("model.ratio", by=lambda ratio=ratio: masked(ratio))


def test_vision_transformer_refuses_images_that_are_not_whole_patches():
    network = ViT(3, 8, 1, 4, 1, 2)
    refused("network.patch=3", "(1, 4, 4)", by=lambda: network.encoder(SHAPE))
    refused("network.patch=3", by=lambda: network.decoder(2, (9,)))
    refused("network.heads=3", by=lambda: ViT(2, 8, 1, 4, 1, 3))


def test_vision_transformer_is_a_network_of_any_kind():
    model = make(Regularized, network=VIT)
    assert model.encoder(torch.rand(5, *SHAPE)).shape == (5, model.encoder.out_features)
    assert model.reconstruct(torch.rand(5, *SHAPE)).shape == (5, *SHAPE)


@pytest.mark.parametrize("words", [["model=contractive"], ["model=contractive_hutchinson"]], ids="-".join)
@over_codebooks
def test_contractive_models_refuse_a_code_without_a_derivative(model, words):
    name = {codebooks.MovingAverage: "vq", codebooks.Gradient: "vq_gradient"}[model]
    (point,) = points("train", [*words, f"code={name}"])
    refused("model=contractive", "VQ", by=lambda: check(point.config))


def test_contractive_models_refuse_a_network_without_a_second_derivative():
    (point,) = points("train", ["model=contractive", "network=vit"])
    refused("model=contractive", "ViT", by=lambda: check(point.config))


# the schedule of layers


def test_layers_learn_one_after_the_other_and_a_resumed_run_knows_its_layer():
    (point,) = points("train", ["model=stacked", "schedule.layerwise.epochs=2"])
    task = make_task(point.config, make_model(point.config, (1, 8, 8)))
    schedule = build(point.config["schedule"], "schedule")["layerwise"]
    stages = []
    schedule.setup(SimpleNamespace(max_epochs=7), task, "fit")
    for epoch in range(9):
        task.model.stage = -1  # whatever was before
        schedule.on_train_epoch_start(SimpleNamespace(current_epoch=epoch), task)
        stages.append(task.model.stage)
    assert stages == [1, 1, 2, 2, 3, 3, 0, 0, 0]
    refused("trainer.max_epochs=6", by=lambda: schedule.setup(SimpleNamespace(max_epochs=6), task, "fit"))


def test_schedule_of_layers_refuses_a_model_without_layers():
    (point,) = points("train", ["schedule=layerwise"])
    task = make_task(point.config, make_model(point.config, (1, 8, 8)))
    schedule = build(point.config["schedule"], "schedule")["layerwise"]
    refused("model=stacked", "Regularized", by=lambda: schedule.setup(SimpleNamespace(max_epochs=9), task, "fit"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["model=stacked", "schedule.layerwise.epochs=2"], ["model=vq_vae"], ["model=adversarial"]], ids="-".join
)
def test_a_killed_run_ends_where_one_that_was_left_alone_does(program, tmp_path, words):
    words = [*words, "trainer.max_epochs=9", "evaluation=[reconstruction]", "bottleneck=8"]
    assert program("train.py", *words, f"runs={tmp_path}/alone").returncode == 0
    killed_once_it_has_a_checkpoint(words, tmp_path / "killed")
    assert not find(tmp_path / "killed")[0].trained
    assert program("train.py", *words, f"runs={tmp_path}/killed").returncode == 0
    runs = [find(tmp_path / name)[0] for name in ("alone", "killed")]
    mine, theirs = (torch.load(run.checkpoints / "last.ckpt", weights_only=True) for run in runs)
    assert mine["global_step"] == theirs["global_step"] > 0
    same(mine["state_dict"], theirs["state_dict"], rtol=0, atol=0)
    assert runs[0].metrics == runs[1].metrics
