"""Every code, likelihood, corruption, start and objective against a second statement of its equation."""

from functools import partial
from math import inf, log, pi, sqrt

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, Uniform, kl_divergence
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from aeexp import codes, corruptions, initializations, likelihoods  # noqa: F401
