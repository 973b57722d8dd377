"""Every code, likelihood, corruption, start and objective against a second statement of its equation."""

from functools import partial
from math import log, pi, prod, sqrt

import pytest
import torch
from conftest import same
from small_models import SHAPE, batch, make, posterior_of
from torch import nn
from torch.autograd.functional import jacobian
from torch.distributions import Bernoulli, Independent, Normal, Uniform, kl_divergence
from torch.nn.functional import linear
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from aeexp import corruptions, initializations, likelihoods
from aeexp.codes.gaussian import Gaussian
from aeexp.codes.identity import Identity
from aeexp.codes.sparse import KL, L1
from aeexp.errors import UserError
from aeexp.models.contractive import Contractive
from aeexp.models.pca import PCA
from aeexp.models.pixels import Pixels
from aeexp.models.random import Random
from aeexp.models.regularized import Regularized
from aeexp.networks.conv import Conv
from aeexp.networks.features import Vector
from aeexp.networks.mlp import MLP
from aeexp.training.task import Tally
from aeexp.types import Batch, EpochStatistic, Loss

pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")


def follows(sample, distribution):
    """Kolmogorov and Smirnov: whether a large sample could well be the distribution's."""
    p, n = distribution.cdf(sample.flatten()).sort().values, sample.numel()
    return (p - (torch.arange(n) + 0.5) / n).abs().max() < 2 / sqrt(n)


def is_binomial(count, n, p):
    return abs(int(count) - n * p) <= 5 * sqrt(n * p * (1 - p))


# the loss


def test_total_is_the_sum_of_the_means_of_the_terms():
    a, b, c = torch.randn(7), torch.randn(7), torch.randn(())
    same(Loss({"a": a, "b": b, "c": c}, {"d": torch.randn(7)}).total, (a + b + c).sum() / 7)


def test_tally_means_over_examples_and_not_over_batches():
    x, tally = torch.randn(10), Tally()
    for part in x.split([7, 2, 1]):
        tally.add("val", len(part), tally.averaged({"each": part}, {"mean": part.mean()}))
    same(tally.means("val"), {"val/each": x.mean(), "val/mean": x.mean()})


# likelihoods

LIKELIHOODS = {  # made as, the distribution of theta, and the constant a pixel that is left out
    "bernoulli": (lambda: likelihoods.Bernoulli(1), lambda t: Bernoulli(logits=t, validate_args=False), 0),
    "squared": (lambda: likelihoods.SquaredError("Identity"), lambda t: Normal(t, sqrt(1 / 2)), log(pi) / 2),
    "squared, of a sigmoid": (
        lambda: likelihoods.SquaredError("Sigmoid"),
        lambda t: Normal(t.sigmoid(), sqrt(1 / 2)),
        log(pi) / 2,
    ),
    "gaussian": (likelihoods.Gaussian, lambda t: Normal(t, 1), 0),
}
over_likelihoods = pytest.mark.parametrize(
    ("likelihood", "distribution", "constant"), LIKELIHOODS.values(), ids=LIKELIHOODS
)


@over_likelihoods
@pytest.mark.parametrize("shape", [SHAPE, (3, 5, 5), (6,)], ids=str)
def test_nll_is_the_negative_log_probability_of_each_example(likelihood, distribution, constant, shape):
    theta, x = torch.randn(5, *shape), torch.rand(5, *shape).round()
    log_p = Independent(distribution(theta), len(shape)).log_prob(x)
    same(likelihood().nll(theta, x), -log_p - constant * prod(shape))


@over_likelihoods
def test_mean_is_the_mean_of_the_distribution(likelihood, distribution, constant):
    theta = torch.randn(5, *SHAPE)
    same(likelihood().mean(theta), distribution(theta).mean)


def test_bernoulli_scores_gray_pixels_by_cross_entropy():
    theta, x = torch.randn(5, *SHAPE), torch.rand(5, *SHAPE)
    m = 1 / (1 + torch.exp(-theta))
    nll = -(x * m.log() + (1 - x) * (1 - m).log()).sum((1, 2, 3))
    same(likelihoods.Bernoulli(1).nll(theta, x), nll)


def test_bernoulli_stays_finite_where_its_mean_saturates():
    theta, x = torch.tensor([[1000.0], [-1000.0], [1000.0]]), torch.tensor([[0.0], [1.0], [1.0]])
    same(likelihoods.Bernoulli(1).nll(theta, x), torch.tensor([1000.0, 1000.0, 0.0]))


@pytest.mark.parametrize("scale", [0.5, 255])
def test_bernoulli_refuses_pixels_beyond_one(scale):
    with pytest.raises(UserError, match=f"data.scale={scale}"):
        likelihoods.Bernoulli(scale)


@pytest.mark.parametrize("sigma", [0.1, 2.0])
def test_gaussian_scores_by_its_own_sigma(sigma):
    theta, x, likelihood = torch.randn(5, *SHAPE), torch.rand(5, *SHAPE), likelihoods.Gaussian()
    nn.init.constant_(likelihood.log_sigma, log(sigma))
    same(likelihood.nll(theta, x), -Independent(Normal(theta, sigma), 3).log_prob(x))


def test_gaussian_is_best_where_sigma_is_the_root_mean_square_residual():
    theta, x, likelihood = torch.randn(5, *SHAPE), torch.rand(5, *SHAPE), likelihoods.Gaussian()

    def slope(sigma):
        nn.init.constant_(likelihood.log_sigma, log(sigma))
        return torch.autograd.grad(likelihood.nll(theta, x).mean(), likelihood.log_sigma)[0]

    best = (x - theta).square().mean().sqrt().item()
    same(slope(best), torch.tensor(0.0))
    assert slope(0.9 * best) < 0 < slope(1.1 * best)


# codes

over_positions = pytest.mark.parametrize("positions", [(), (3,), (2, 3)], ids=str)


@over_positions
@pytest.mark.parametrize("activation", ["Identity", "Sigmoid", "Tanh"])
def test_identity_is_an_affine_map_and_its_activation_and_costs_nothing(positions, activation):
    h, module = torch.randn(4, *positions, 6), Identity(6, 3, activation)
    code, layer = module(h), module.project
    same(code.z, getattr(nn, activation)()(linear(h, layer.weight, layer.bias)))
    same(code.mean, code.z)
    assert code.z.shape == (4, *positions, 3) and not code.terms


@over_positions
@pytest.mark.parametrize("weight", [0.0, 0.3, 2.0])
def test_l1_costs_the_weighted_norm_of_each_example(positions, weight):
    code = L1(6, 3, "Tanh", weight)(torch.randn(4, *positions, 6))
    assert (code.z < 0).any()
    same(code.terms, {"l1": weight * torch.stack([torch.linalg.vector_norm(z, 1) for z in code.z])})


@over_positions
@pytest.mark.parametrize("weight", [0.5, 3.0])
@pytest.mark.parametrize("rho", [0.05, 0.7])
def test_kl_costs_the_divergence_of_the_mean_activations(positions, weight, rho):
    code = KL(6, 3, weight, rho)(torch.randn(4, *positions, 6))
    rho_j = code.z.flatten(0, -2).mean(0)
    kl = kl_divergence(Bernoulli(torch.tensor(rho)), Bernoulli(rho_j))
    same(code.terms, {"kl": weight * kl.sum()})


def kl_with_logits_of(a, rho=0.2, dim=3):
    code = KL(1, dim, 1.0, rho)
    nn.init.zeros_(code.project.weight)
    nn.init.constant_(code.project.bias, a)
    return code


def test_kl_costs_nothing_where_the_mean_activation_is_rho():
    same(kl_with_logits_of(log(0.2 / 0.8))(torch.randn(4, 1)).terms["kl"], torch.tensor(0.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("a", "share"), [(1000.0, 0.8), (-1000.0, 0.2)])
def test_kl_of_a_saturated_unit_is_its_limit_with_a_gradient_back(dtype, a, share):
    code = kl_with_logits_of(a).to(dtype)
    kl = code(torch.randn(4, 1, dtype=dtype)).terms["kl"]
    kl.backward()
    # log sigmoid(-1000) is -1000 and log sigmoid(1000) is 0, to the last bit
    limit = 3 * (0.2 * log(0.2) + 0.8 * log(0.8) + share * 1000)
    same(kl, torch.tensor(limit, dtype=dtype))
    same(code.project.bias.grad, torch.full((3,), share if a > 0 else -share, dtype=dtype))


@pytest.mark.parametrize("rho", [0, 1, -0.1, 1.5])
def test_kl_refuses_a_rho_that_no_sigmoid_unit_has(rho):
    with pytest.raises(UserError, match=f"code.rho .* {rho}"):
        KL(6, 3, 1.0, rho)


@pytest.mark.parametrize(
    "code",
    [
        partial(KL, weight=1.0, rho=0.1),
        partial(L1, activation="Sigmoid", weight=1.0),
    ],
    ids=["KL", "L1"],
)
def test_mean_activation_is_the_mean_over_the_units_of_each_example(code):
    found = code(6, 4)(torch.randn(5, 6))
    same(found.stats["mean_activation"], found.z.sum(1) / 4)


@over_positions
@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_gaussian_costs_beta_times_the_divergence_from_the_prior(positions, beta):
    module, h = Gaussian(6, 3, beta), torch.randn(4, *positions, 6)
    code = module(h)
    kl = kl_divergence(posterior_of(module, h), Normal(0, 1)).flatten(1).sum(1)
    same(code.terms, {"kl": beta * kl})
    same(code.stats["kl_nats"], kl)


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_gaussian_gives_its_mean_always_and_its_sample_never_twice(mode):
    module, h = Gaussian(6, 3, 1.0).train(mode), torch.randn(4, 6)
    one, two = module(h), module(h)
    assert torch.equal(one.mean, two.mean) and (one.z != two.z).all()
    same(one.mean, posterior_of(module, h).mean)


def test_gaussian_samples_its_posterior_independently():
    module, h, n = Gaussian(6, 3, 1.0), 3 * torch.randn(2, 6), 20_000
    q, z = posterior_of(module, h), module(h.expand(n, 2, 6)).z  # (n, 2, 3)
    assert ((z.mean(0) - q.mean).abs() < 5 * q.stddev / sqrt(n)).all()
    assert ((z.std(0) / q.stddev - 1).abs() < 5 / sqrt(2 * n)).all()
    epsilon = ((z - q.mean) / q.stddev).flatten(1)
    assert follows(epsilon, Normal(0, 1))
    same(epsilon.T.corrcoef(), torch.eye(6), rtol=0, atol=5 / sqrt(n))


def test_gaussian_sample_carries_gradients_to_mean_and_variance():
    module, h = Gaussian(6, 3, 1.0), torch.randn(1, 6)
    code = module(h)
    code.z.sum().backward()
    # z = mu + sigma eps and sigma = exp(log_var / 2), so dz/dmu = 1 and dz/dlog_var = (z - mu) / 2
    same(module.project.bias.grad, torch.cat([torch.ones(3), (code.z - code.mean)[0].detach() / 2]))


# corruptions

CORRUPTIONS = {
    "gaussian": lambda: corruptions.Gaussian(0.5, 1, True),
    "masking": lambda: corruptions.Masking(0.5),
    "salt and pepper": lambda: corruptions.SaltAndPepper(0.5, 1),
}
over_corruptions = pytest.mark.parametrize("corruption", CORRUPTIONS.values(), ids=CORRUPTIONS)
over_fractions = pytest.mark.parametrize("fraction", [0.0, 0.1, 0.25, 0.5, 1.0])
over_scales = pytest.mark.parametrize("scale", [1, 1.0, 255])


@over_corruptions
def test_corruption_is_fresh_at_every_call_whatever_the_mode(corruption):
    corrupt, x = corruption(), torch.rand(4, 3, 8, 8)
    before = x.clone()
    one, two, validated = corrupt(x), corrupt(x), corrupt.eval()(x)
    assert one.shape == x.shape and one.dtype == x.dtype
    assert not any(torch.equal(a, b) for a, b in ((one, two), (one, x), (validated, x)))
    assert torch.equal(x, before) and not corrupt.identity


@pytest.mark.parametrize(("clip", "inside"), [(True, True), (False, False)])
def test_noise_is_clipped_where_that_is_chosen(clip, inside):
    seen = corruptions.Gaussian(0.5, 1.0, clip)(torch.full((500, 1, 2, 2), 0.5))
    assert bool(seen.min() >= 0 and seen.max() <= 1) is inside
    assert abs(seen.mean() - 0.5) < 0.05


def test_uncorrupted_is_the_identity():
    x = torch.rand(4, *SHAPE)
    assert torch.equal(corruptions.Uncorrupted()(x), x)


@over_fractions
def test_masking_puts_a_fraction_to_zero_and_keeps_the_rest(fraction):
    x = 0.1 + torch.rand(100, 3, 10, 10)
    seen = corruptions.Masking(fraction)(x)
    masked = seen == 0
    assert is_binomial(masked.sum(), x.numel(), fraction)
    assert torch.equal(seen[~masked], x[~masked])


@over_fractions
@over_scales
def test_salt_and_pepper_fall_on_half_the_fraction_each_and_leave_the_rest(fraction, scale):
    x = scale * (0.1 + 0.8 * torch.rand(100, 3, 10, 10))
    seen = corruptions.SaltAndPepper(fraction, scale)(x)
    pepper, salt = seen == 0, seen == scale
    for count in (pepper.sum(), salt.sum()):
        assert is_binomial(count, x.numel(), fraction / 2)
    assert is_binomial((pepper | salt).sum(), x.numel(), fraction)
    assert torch.equal(seen[~(pepper | salt)], x[~(pepper | salt)])


@over_scales
def test_gaussian_noise_has_the_standard_deviation_of_its_share_of_the_scale(scale):
    x = torch.full((100, 3, 10, 10), scale / 2)
    noise = corruptions.Gaussian(0.05, scale, True)(x) - x  # clipped ten deviations away, so never
    assert follows(noise, Normal(0, 0.05 * scale))


@over_scales
def test_gaussian_noise_is_clipped_to_the_scale(scale):
    x = scale * torch.rand(100, 3, 10, 10)
    seen = corruptions.Gaussian(0.5, scale, True)(x)
    beyond = Normal(x, 0.5 * scale).cdf(torch.tensor(0.0))
    assert seen.min() == 0 and seen.max() == scale
    assert is_binomial((seen == 0).sum(), x.numel(), beyond.mean().item())


@pytest.mark.parametrize("bad", [-0.1, 1.1])
@pytest.mark.parametrize("model", [corruptions.Masking, partial(corruptions.SaltAndPepper, scale=1)])
def test_fraction_that_is_no_probability_is_refused(model, bad):
    with pytest.raises(UserError, match=f"corruption.fraction .* {bad}"):
        model(bad)


def test_negative_standard_deviation_is_refused():
    with pytest.raises(UserError, match=r"corruption.std .* -0.1"):
        corruptions.Gaussian(-0.1, 1, True)


# initializations

LAYERS = {  # with fan in and fan out
    "linear": (lambda: nn.Linear(300, 200), 300, 200),
    "convolution": (lambda: nn.Conv2d(20, 60, 5), 20 * 25, 60 * 25),
    "transposed convolution": (lambda: nn.ConvTranspose2d(60, 20, 5), 60 * 25, 20 * 25),
    "without a bias": (lambda: nn.Linear(300, 200, bias=False), 300, 200),
}
over_layers = pytest.mark.parametrize(("layer", "fan_in", "fan_out"), LAYERS.values(), ids=LAYERS)


@over_layers
def test_glorot_weights_are_uniform_within_the_root_of_six_over_the_fans(layer, fan_in, fan_out):
    module, bound = layer(), sqrt(6 / (fan_in + fan_out))
    module.apply(initializations.Glorot())
    assert module.weight.abs().max() <= bound
    assert follows(module.weight, Uniform(-bound, bound))
    assert module.bias is None or not module.bias.any()


@over_layers
@pytest.mark.parametrize("std", [0.03, 1.0])
def test_normal_weights_are_normal(layer, fan_in, fan_out, std):
    module = layer()
    module.apply(initializations.Normal(std))
    assert follows(module.weight, Normal(0, std))
    assert module.bias is None or not module.bias.any()


@pytest.mark.parametrize("start", [initializations.Glorot(), initializations.Normal(1.0)], ids=["Glorot", "Normal"])
def test_what_has_no_weighted_sum_keeps_its_start(start):
    norm = nn.BatchNorm2d(3)
    norm.apply(start)
    assert (norm.weight == 1).all() and not norm.bias.any()


def test_torch_leaves_all_as_it_was_made():
    layer = nn.Linear(3, 2)
    before = parameters_to_vector(layer.parameters()).detach().clone()
    layer.apply(initializations.Torch())
    assert torch.equal(parameters_to_vector(layer.parameters()), before)


@pytest.mark.parametrize("network", [MLP([5], "ReLU"), Conv([4], [3], "ReLU", Vector())])
def test_model_starts_all_its_layers_as_it_is_told(network):
    model = make(Regularized, network=network, initialization=initializations.Normal(0.0))
    assert not parameters_to_vector(model.parameters()).any()


# objectives

CODES = {
    "identity": partial(Identity, activation="Sigmoid"),
    "l1": partial(L1, activation="Tanh", weight=0.3),
    "kl": partial(KL, weight=2.0, rho=0.1),
    "gaussian": partial(Gaussian, beta=4.0),
}
over_codes = pytest.mark.parametrize("code", CODES.values(), ids=CODES)
NETWORKS = [MLP([], "ReLU"), MLP([6, 5], "Tanh"), Conv([2], [3], "Sigmoid", Vector())]
over_networks = pytest.mark.parametrize("network", NETWORKS, ids=["shallow", "deep", "convolutional"])


def numbers(stats):
    return {name: value.per_example if isinstance(value, EpochStatistic) else value for name, value in stats.items()}


@over_codes
@over_networks
def test_plain_objective_is_the_reconstruction_and_what_the_code_costs(code, network):
    model, (x, y) = make(Regularized, code, network), batch()
    torch.manual_seed(1)
    loss = model.loss(Batch(x, y))
    torch.manual_seed(1)
    found = model.code(model.encoder(x))
    nll = -Independent(Bernoulli(logits=model.decoder(found.z), validate_args=False), 3).log_prob(x)
    same(loss.terms, {"recon": nll, **found.terms})
    same(numbers(loss.stats), numbers(found.stats))


@pytest.mark.parametrize(
    "model", [Regularized, Random, partial(Contractive, weight=0.1)], ids=["plain", "random", "contractive"]
)
def test_encoder_sees_the_corrupted_image_and_the_likelihood_the_clean_one(model):
    model, (x, y) = make(model, corruption=corruptions.Masking(1.0)), batch()
    theta = model.decoder(model.encode(torch.zeros_like(x)).z)
    same(model.loss(Batch(x, y)).terms["recon"], model.likelihood.nll(theta, x))


@over_codes
def test_reconstruction_is_of_the_clean_image_by_the_mean_code(code):
    model, (x, _) = make(Regularized, code, corruption=corruptions.Masking(1.0)), batch()
    same(model.reconstruct(x), model.decoder(model.encode(x).mean).sigmoid())


def test_random_objective_is_the_reconstruction_alone_and_trains_nothing():
    model, data = make(Random, CODES["l1"]), batch()
    loss = model.loss(data)
    plain = make(Regularized, CODES["l1"])
    plain.load_state_dict(model.state_dict())
    same(loss.terms, {"recon": plain.loss(data).terms["recon"]})
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_vae_objective_is_the_log_evidence_less_the_gap_to_the_true_posterior():
    model, n = make(Regularized, partial(Gaussian, beta=1.0), MLP([4], "Tanh"), dim=1), 20_000
    x = torch.rand(1, *SHAPE).round()
    z = torch.linspace(-12, 12, 4001)
    dz = z[1] - z[0]
    likelihood = Independent(Bernoulli(logits=model.decoder(z[:, None])), 3)
    log_joint = likelihood.log_prob(x) + Normal(0, 1).log_prob(z)
    log_evidence = log_joint.logsumexp(0) + dz.log()
    q = posterior_of(model.code, model.encoder(x))
    log_q = q.log_prob(z[:, None]).squeeze(1)
    gap = (log_q.exp() * (log_q - (log_joint - log_evidence))).sum() * dz

    terms = model.loss(Batch(x.expand(n, *SHAPE), torch.zeros(n))).terms
    bounds = -sum(terms.values())
    assert gap > 0
    assert (bounds.mean() - (log_evidence - gap)).abs() < 5 * bounds.std() / sqrt(n)


# contractive


def jacobian_norms(model, x):
    """||J_f(x)||_F^2, one example at a time."""
    return torch.stack([jacobian(lambda one: model.encode(one[None]).mean, one).square().sum() for one in x])


def contraction_of_a_sigmoid_layer(model, x):
    """sum_j s_j^2 (1 - s_j)^2 ||W_j||^2, Rifai et al. (2011), section 5.2"""
    layer = next(layer for layer in model.code.modules() if isinstance(layer, nn.Linear))
    s = linear(x.flatten(1), layer.weight, layer.bias).sigmoid()
    return (s.square() * (1 - s).square()) @ layer.weight.square().sum(1)


# one map twice: the model has a short way for a code that is one layer, and the KL code goes the long one
ONE_LAYER = {name: CODES[name] for name in ("identity", "kl")}
over_sigmoid_layers = pytest.mark.parametrize("code", ONE_LAYER.values(), ids=ONE_LAYER)


@over_codes
@over_networks
@pytest.mark.parametrize("weight", [0.1, 2.0])
def test_contraction_is_the_weighted_squared_norm_of_the_jacobian(code, network, weight):
    model, data = make(Contractive, code, network, weight=weight), batch()
    loss, norms = model.loss(data), jacobian_norms(model, data.x)
    same(loss.terms["contraction"], weight * norms)
    same(loss.stats["jacobian"], norms)
    assert loss.terms.keys() == {"recon", "contraction", *model.encode(data.x).terms}


@over_sigmoid_layers
def test_contraction_of_a_sigmoid_layer_has_its_closed_form(code):
    model, x = make(Contractive, code, weight=0.1), batch().x
    same(model.code_and_norm(x)[-1], contraction_of_a_sigmoid_layer(model, x))


@over_networks
@pytest.mark.parametrize("activation", ["Tanh", "ReLU", "Softplus"])
def test_contraction_is_exact_for_any_activation_of_the_code(network, activation):
    model, x = make(Contractive, partial(Identity, activation=activation), network, weight=0.1), batch().x
    same(model.code_and_norm(x)[-1], jacobian_norms(model, x))


@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
def test_contraction_is_exact_where_an_activation_couples_the_units():
    model, x = make(Contractive, partial(Identity, activation="Softmax"), weight=0.1), batch().x
    same(model.code_and_norm(x)[-1], jacobian_norms(model, x))


def test_contraction_is_at_the_image_that_the_encoder_sees():
    model, data = make(Contractive, weight=0.1, corruption=corruptions.Masking(1.0)), batch()
    same(model.loss(data).stats["jacobian"], jacobian_norms(model, torch.zeros_like(data.x)))


def test_contraction_of_an_orthogonal_map_is_the_width_of_the_code():
    model = make(Contractive, partial(Identity, activation="Identity"), weight=0.1)
    nn.init.orthogonal_(model.code.project.weight)
    same(model.code_and_norm(batch().x)[-1], torch.full((5,), 3.0))


@over_sigmoid_layers
def test_gradient_of_the_contraction_is_that_of_its_closed_form_and_spares_the_decoder(code):
    model, x = make(Contractive, code, weight=0.1), batch().x
    norm = model.code_and_norm(x)[-1].sum()
    layer = list(model.code.parameters())
    found = torch.autograd.grad(norm, layer, retain_graph=True)
    same(found, torch.autograd.grad(contraction_of_a_sigmoid_layer(model, x).sum(), layer))
    assert all(gradient.abs().max() > 1e-3 for gradient in found)
    decoder = torch.autograd.grad(norm, list(model.decoder.parameters()), allow_unused=True)
    assert decoder == (None, None)


@pytest.mark.parametrize("network", [MLP([], "ReLU"), MLP([3], "Tanh"), Conv([], [2], "Sigmoid", Vector())])
def test_gradient_of_the_contractive_objective_agrees_with_finite_differences(network):
    model, data = make(Contractive, network=network, dim=2, weight=2.0), batch()
    parameters, step = list(model.parameters()), 1e-5
    found = parameters_to_vector(torch.autograd.grad(model.loss(data).total, parameters))
    here = parameters_to_vector(parameters).detach()

    @torch.no_grad()
    def total(at):
        vector_to_parameters(at, parameters)
        return model.loss(data).total

    steps = step * torch.eye(len(here))
    differences = torch.stack([total(here + step) - total(here - step) for step in steps]) / (2 * step)
    same(found, differences, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("dim", [1, 5])
@over_networks
def test_fused_adam_trains_the_contractive_model_as_plain_adam_does(network, dim, dtype):
    # fused Adam reads a gradient in the order of its memory, and those of torch.func may be transposed
    plain = make(Contractive, network=network, dim=dim, weight=2.0).to(dtype)
    fused = make(Contractive, network=network, dim=dim, weight=2.0).to(dtype)
    fused.load_state_dict(plain.state_dict())
    start = parameters_to_vector(plain.parameters()).detach().clone()
    data = [Batch(x.to(dtype), y) for x, y in (batch(n) for n in [4] * 10 + [1] * 10)]
    for model, way in ((plain, {"foreach": False}), (fused, {"fused": True})):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01, **way)
        for one in data:
            optimizer.zero_grad()
            model.loss(one).total.backward()
            optimizer.step()
    ends = [parameters_to_vector(model.parameters()).detach() for model in (plain, fused)]
    assert (ends[0] - start).abs().max() > 0.05
    same(*ends)


# baselines


def fitted_pca(x, dim):
    model = make(PCA, dim=dim)
    model.initialize(Batch(part, torch.zeros(len(part))) for part in x.split(7))
    return model


@pytest.mark.parametrize("dim", range(1, prod(SHAPE) + 1))
def test_pca_leaves_the_discarded_squared_singular_values(dim):
    x = torch.rand(30, *SHAPE) ** 2
    model = fitted_pca(x, dim)
    flat = x.flatten(1)
    _, s, v = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    recon = model.loss(Batch(x, torch.zeros(30))).terms["recon"]
    same(recon.sum(), s[dim:].square().sum())
    same(recon, ((flat - flat.mean(0)) @ v[dim:].T).square().sum(1))
    same(recon, (x - model.reconstruct(x)).square().sum((1, 2, 3)))


def test_pca_codes_are_centred_and_uncorrelated_with_the_largest_variances_first():
    x = torch.rand(30, *SHAPE) ** 2
    model = fitted_pca(x, 3)
    z, flat = model.encode(x).mean, x.flatten(1)
    same(z.mean(0), torch.zeros(3))
    same(z.T @ z, torch.linalg.svdvals(flat - flat.mean(0))[:3].square().diag())


def test_pca_decoder_is_undone_by_the_encoder():
    model, z = fitted_pca(torch.rand(30, *SHAPE), 3), torch.randn(5, 3)
    same(model.encode(model.decode(z)).z, z)


def test_pca_refuses_more_components_than_pixels_or_examples():
    with pytest.raises(UserError, match=r"at most 8 components .* bottleneck.dim=9"):
        make(PCA, dim=9)
    with pytest.raises(UserError, match=r"examples, 4, .* bottleneck.dim=5"):
        fitted_pca(torch.rand(4, *SHAPE), 5)


def test_pixels_are_their_own_code_and_lose_nothing():
    model, (x, y) = make(Pixels), batch()
    same(model.encode(x).mean, x.reshape(5, 8))
    same(model.decode(model.encode(x).z), x)
    same(model.reconstruct(x), x)
    same(model.loss(Batch(x, y)).terms, {"recon": torch.zeros(5)})


def test_bottleneck_without_a_unit_is_refused():
    with pytest.raises(UserError, match=r"bottleneck.dim .* 0"):
        make(Regularized, dim=0)
