"""Training objective on test and training examples: its terms, ELBO, KL divergence, per-pixel reconstruction.

    total_<part>                the objective that is minimised, nats per example; <part> is test or train
    <term>_<part>               its terms by name, weighted as they are minimised: recon, kl, ...
    <statistic>_<part>          statistics that the objective logs for each example, such as kl_nats, the unweighted
                                KL(q(z | x) || p(z))
    recon_per_pixel_<part>      recon over the numbers of an example: with likelihood=bernoulli, the mean binary
                                cross-entropy that many papers print; with squared_error, the mean squared error
    nll_mean_code_<part>        -log p(x | z) of the mean code, with the constants of the likelihood
    nll_sampled_code_<part>     the same of one sample z ~ q(z | x)
    elbo_<part>                 log p(x | z) + log p(z) - log q(z | x) of this sample, without weights such as beta

on uncorrupted examples, averaged over at most `examples` of each part, drawn from `seed`. A model
whose code has no distribution q(z | x) has neither a sampled code nor an ELBO; one without a decoder of codes, no nll.
A term of a whole batch is averaged over batches of BATCH.
"""

from collections import defaultdict
from math import prod

import torch
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result
from aeexp.data.examples import BATCH, Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.models.base import Autoencoder
from aeexp.types import Batch


class Objective:
    def __init__(self, examples: int, seed: int) -> None:
        if examples < 1:
            raise UserError(f"objective.examples={examples} of each part are evaluated: choose at least 1")
        self.examples, self.seed = examples, seed

    def __call__(self, context: EvaluationContext) -> Result:
        metrics: dict[str, float] = {}
        for name, part in (("test", context.data.test), ("train", context.data.train)):
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                torch.manual_seed(self.seed)
                means = self._means(context.model, part)
            means["recon_per_pixel"] = means["recon"] / prod(context.data.shape)
            metrics |= {f"{term}_{name}": value for term, value in means.items()}
        return Result(metrics)

    def _means(self, model: Autoencoder, part: Examples) -> dict[str, float]:
        """Each quantity, averaged over the examples that are drawn from the global generator."""
        drawn = torch.randperm(len(part))[: self.examples]
        sums: defaultdict[str, float] = defaultdict(float)
        for positions in drawn.split(BATCH):
            for name, values in quantities(model, part[positions]).items():
                sums[name] += values.double().mean().item() * len(positions)
        return {name: value / len(drawn) for name, value in sums.items()}


def quantities(model: Autoencoder, batch: Batch) -> dict[str, Tensor]:
    """By name, (B,) or ()"""
    loss = model.clean_loss(batch)
    logged = {name: value for name, value in loss.stats.items() if isinstance(value, Tensor)}
    return {"total": loss.total, **loss.terms, **logged, **_densities(model, batch)}


def _densities(model: Autoencoder, batch: Batch) -> dict[str, Tensor]:
    """What of log p(x | z) and the ELBO the model has."""
    x, y = batch
    densities: dict[str, Tensor] = {}
    try:
        densities["nll_mean_code"] = -model.log_likelihood(x, model.encode(x, y).mean, y)
        z, log_q = model.posterior(x, y).sample(1)
        densities["nll_sampled_code"] = -model.log_likelihood(x, z[0], y)
        densities["elbo"] = model.prior.log_prob(z[0]) - log_q[0] - densities["nll_sampled_code"]
    except NotApplicable:  # of the first that the model lacks, without which the others make no sense
        pass
    return densities
