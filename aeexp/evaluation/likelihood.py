"""Log-likelihood by importance sampling: ELBO, importance-weighted bound, effective samples.

Burda, Grosse and Salakhutdinov (2016), Importance weighted autoencoders, eq. 8:

    w_i = p(x | z_i) p(z_i) / q(z_i | x),    z_1 .. z_k ~ q(z | x)

    elbo                mean_i log w_i, the evidence lower bound
    log_likelihood      log mean_i w_i, whose expectation is a bound too, rises with k, and tends to log p(x)
    effective_samples   (sum_i w_i)^2 / sum_i w_i^2, from 1 to k: where it is near 1 the bound is loose. Kong (1992)

in nats, averaged over `examples` test images, the first two with their standard errors over these. Where q is the true
posterior all w_i are p(x), and both are log p(x) without noise. Whatever a model was trained for (beta, capacity, free
bits), this is the model p(x | z) p(z) by itself; the model that reads labels gives log p(x | y).

What p(x | z) is, the likelihood says. Gaussian: a density, of x in [0, scale], so that its logarithm may be above 0.
Squared error: the density of variance 1/2, its constant added here. Bernoulli: of gray pixels it is no probability but
the expected logarithm of one, over images whose pixels are 1 with the gray value; no two of these three compare.

The samples of an example are decoded together, at most `chunk` at once, which bounds the memory to a few times these
images as floats (13 MB for 1000 of MNIST), and the weights to examples x samples in float64.
"""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from aeexp.codes.base import Posterior
from aeexp.context.base import EvaluationContext, Result
from aeexp.errors import UserError
from aeexp.metrics.importance import effective_sample_size, log_mean_weight, mean_and_error
from aeexp.models.base import Autoencoder
from aeexp.plots.curves import importance_bound
from aeexp.types import Batch


class Likelihood:
    def __init__(self, samples: int, examples: int, chunk: int, seed: int) -> None:
        if min(samples, examples, chunk) < 1:
            raise UserError(
                f"the likelihood takes samples={samples} of each of examples={examples}, chunk={chunk} at once: choose "
                "at least 1 of each"
            )
        self.samples, self.examples, self.chunk, self.seed = samples, examples, chunk, seed

    def __call__(self, context: EvaluationContext) -> Result:
        """NotApplicable where the model has no q(z | x) and p(x | z)."""
        model, test = context.model, context.data.test
        generator = torch.Generator().manual_seed(self.seed)
        drawn = torch.randperm(len(test), generator=generator)[: self.examples]
        with torch.no_grad():
            log_w = self.log_weights(model, test[drawn], generator)
        metrics = {
            **mean_and_error("elbo", log_w.mean(1)),
            **mean_and_error("log_likelihood", log_mean_weight(log_w)),
            "effective_samples": effective_sample_size(log_w).mean().item(),
        }
        return Result(metrics, {"importance_bound": self._figure(log_w, context.model_name)})

    def log_weights(self, model: Autoencoder, batch: Batch, generator: torch.Generator) -> Tensor:
        """log w, (B, samples) float64"""
        each = zip(*batch, model.posterior(*batch).each(), strict=True)  # one example at a time
        return torch.stack([self._of_one(model, x, y, q, generator) for x, y, q in each])

    def _of_one(self, model: Autoencoder, x: Tensor, y: Tensor, q: Posterior, generator: torch.Generator) -> Tensor:
        """log w of one example, (samples,) float64"""
        z, log_q = (each[:, 0] for each in q.sample(self.samples, generator))
        log_x = []
        for some in z.split(self.chunk):
            n = len(some)
            log_x.append(model.log_likelihood(x.expand(n, *x.shape), some, y.expand(n)))  # no copy of x for each sample
        return (torch.cat(log_x) + model.prior.log_prob(z) - log_q).double()

    def _figure(self, log_w: Tensor, model: str) -> Figure:
        """The bound by the number of samples, of groups of the same ones."""
        counts = sorted({*(2**power for power in range(self.samples.bit_length())), self.samples})
        groups = [log_w[:, : len(log_w[0]) // k * k].unflatten(1, (-1, k)) for k in counts]
        bounds = [log_mean_weight(group).mean().item() for group in groups]
        return importance_bound(counts, bounds, model)
