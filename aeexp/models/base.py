"""The contract of an autoencoder, and the wiring of those that have an encoder, a code, a decoder and a likelihood."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from aeexp.codes.base import Bottleneck, Posterior
from aeexp.corruptions import Corruption, Uncorrupted
from aeexp.errors import NotApplicable, UserError
from aeexp.initializations import Initialization
from aeexp.likelihoods import Likelihood
from aeexp.networks.base import Network, start_at
from aeexp.priors import NoPrior, Prior
from aeexp.types import Batch, Code, Loss

NO_DENSITY = (
    "this model has no q(z | x) and p(x | z), from which a likelihood follows: choose model=vae, another model with a "
    "variational code, or code=gaussian"
)


@dataclass(frozen=True)
class Components:
    """The components that a configuration chooses; a model uses those that it needs."""

    shape: tuple[int, ...]  # of one example
    dim: int  # the width of the code
    network: Network
    code: Callable[..., Bottleneck]  # (in_features=, dim=)
    likelihood: Likelihood
    corruption: Corruption
    initialization: Initialization

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise UserError(f"bottleneck.dim is the width of the code, at least 1, but got {self.dim}")
        with torch.random.fork_rng(devices=[]):  # the weights do not depend on what is tried here
            self.corruption(torch.zeros(1, *self.shape))  # refuses a shape that it cannot read


class Autoencoder(nn.Module, ABC):
    """`stages` names the parts of the objective that are trained one after the other; () where there is but one.

    A model with stages minimises the part of stages[stage - 1] in training mode, and the whole objective where `stage`
    is 0 and in eval mode, so that the validation losses of all stages can be compared. A schedule sets `stage`.
    """

    corruption: Corruption  # of the objective alone: encode and reconstruct read x
    prior: Prior  # of the codes that `decode` reads
    stages: tuple[str, ...] = ()
    stage: int = 0
    bounded: bool = False  # whether its objective is of x in [0, scale] alone
    reads_labels: bool = False  # whether encode, decode and reconstruct depend on y

    @abstractmethod
    def initialize(self, batches: Iterable[Batch]) -> None:
        """Fits to the training data what is not trained; called once, before the first step."""

    @abstractmethod
    def loss(self, batch: Batch) -> Loss:
        """The objective, on corrupted input; its term `recon` is the reconstruction's, in nats per example."""

    def clean_loss(self, batch: Batch) -> Loss:
        """The objective on uncorrupted input."""
        corruption, self.corruption = self.corruption, Uncorrupted()
        try:
            return self.loss(batch)
        finally:
            self.corruption = corruption

    @abstractmethod
    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        """(B, *shape) -> Code"""

    @abstractmethod
    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, *positions, D) -> (B, *shape), the mean image of each code. UserError where a code alone has none."""

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """`decode`, but of an example of symbols a draw of p(x | z)."""
        return self.decode(z, y)

    @abstractmethod
    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, *shape) -> (B, *shape), without corruption and without sampling"""

    def symbols(self, z: Tensor) -> Tensor:
        """What an entropy coder counts of codes: (B, *positions, D) -> (B, S), entries of a codebook, or the units."""
        return z.flatten(1)

    def class_probabilities(self, x: Tensor) -> Tensor:
        """q(y | x): (B, *shape) -> (B, classes). NotApplicable where the model has no classifier of its own."""
        raise NotApplicable("this model has no classifier of its own: choose model=m2, or evaluation=[linear_probe]")

    def posterior(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        """q(z | x). NotApplicable where the model is no latent variable model p(x | z) p(z)."""
        raise NotApplicable(NO_DENSITY)

    def log_likelihood(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x | z) with all its constants: (B, *shape), (B, *positions, D) -> (B,) nats. NotApplicable likewise."""
        raise NotApplicable(NO_DENSITY)


class Baseline(Autoencoder, ABC):
    """A code without gradient descent, corruption and prior. `recon` is ||x - g(f(x))||^2, whatever the likelihood."""

    def __init__(self) -> None:
        super().__init__()
        self.prior, self.corruption = NoPrior(), Uncorrupted()

    def loss(self, batch: Batch) -> Loss:
        return Loss({"recon": (batch.x - self.reconstruct(batch.x)).square().flatten(1).sum(1)})


class Factored(Autoencoder, ABC):
    """x~ = corruption(x), h = encoder(x~), code = code(h), theta = decoder(z), recon = likelihood.nll(theta, x)"""

    def __init__(self, components: Components) -> None:
        super().__init__()
        self.corruption, self.likelihood = components.corruption, components.likelihood
        self.encoder = components.network.encoder(components.shape)
        self.code = components.code(in_features=self.encoder.out_features, dim=components.dim)
        self.decoder = components.network.decoder(components.dim, components.shape)
        self.prior = self.code.prior(self.encoder.positions)
        self.initialization = components.initialization
        self.apply(self.initialization)

    def initialize(self, batches: Iterable[Batch]) -> None:
        """The decoder starts at the mean example."""
        if self.initialization.output_starts_at_mean:
            self.start_at_mean(mean_example(batches))

    def start_at_mean(self, mean: Tensor) -> None:
        """Sets the decoder's last bias so that its output is near the mean example, (*shape)."""
        if self.initialization.output_starts_at_mean:
            mean = mean.to(next(self.parameters()))
            code, switches = self.encode_with_switches(mean[None])
            start_at(self.decoder, (self.condition(code.mean, None), *switches), mean, self.likelihood.parameter)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        return self.encode_with_switches(x, y)[0]

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.likelihood.mean(self.decoder(self.condition(z, y)))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.likelihood.generate(self.decode(z, y))

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        code, switches = self.encode_with_switches(x, y)
        return self.likelihood.mean(self.decoder(self.condition(code.mean, y), *switches))

    def symbols(self, z: Tensor) -> Tensor:
        return self.code.symbols(z)

    def posterior(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        h, switches = self.features(x, y)
        if switches:
            raise NotApplicable(
                "this decoder reads the encoder's switches, so that p(x | z) is no distribution: choose network=conv"
            )
        return self.code.posterior(h)

    def log_likelihood(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        nll = self.likelihood.nll(self.decoder(self.condition(z, y)), x)
        return -nll - self.likelihood.left_out(prod(x.shape[1:]))

    def reconstruction_nll(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Code]:
        """-log p(x | z) of the code of the corrupted input, (B,) nats, and that code."""
        code, switches = self.encode_with_switches(self.corruption(x), y)
        return self.likelihood.nll(self.decoder(self.condition(code.z, y), *switches), x), code

    def encode_with_switches(self, x: Tensor, y: Tensor | None = None) -> tuple[Code, list[Tensor]]:
        """The code of x, and the pooling switches for the decoder."""
        h, switches = self.features(x, y)
        return self.code(h), switches

    def features(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """h of x (B, *shape), and the pooling switches: a conditional model shows the label to the encoder."""
        return self.encoder.with_switches(x)

    def condition(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Codes (B, *positions, D) as the decoder reads them: a conditional model appends the label."""
        return z


def mean_example(batches: Iterable[Batch]) -> Tensor:
    """(*shape)"""
    total, n = torch.zeros(()), 0
    for batch in batches:
        total, n = total + batch.x.sum(0), n + len(batch.x)
    return total / n
