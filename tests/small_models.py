"""Models of eight pixels, built from the classes themselves: small enough for double precision and full Jacobians."""

from functools import partial

import torch
from torch.distributions import Normal
from torch.nn.functional import linear

from aeexp import corruptions, initializations, likelihoods
from aeexp.codes.identity import Identity
from aeexp.models.base import Components
from aeexp.networks.mlp import MLP
from aeexp.types import Batch

SHAPE = (1, 4, 2)


def batch(n=5, shape=SHAPE):
    return Batch(torch.rand(n, *shape), torch.zeros(n, dtype=torch.int64))


def make(model, code=None, network=None, dim=3, **options):
    parts = {
        "shape": SHAPE,
        "likelihood": likelihoods.Bernoulli(1),
        "corruption": corruptions.Uncorrupted(),
        "initialization": initializations.Torch(),
    }
    given = {name: options.pop(name) for name in parts if name in options}
    network, code = network or MLP([], "ReLU"), code or partial(Identity, activation="Sigmoid")
    return model(Components(**{**parts, **given}, dim=dim, network=network, code=code), **options)


def posterior_of(code, h):
    """q(z | x), from the weights alone: first the means, then the logarithms of the variances."""
    mu, log_var = linear(h, code.project.weight, code.project.bias).split(len(code.project.weight) // 2, -1)
    return Normal(mu, log_var.exp().sqrt())
