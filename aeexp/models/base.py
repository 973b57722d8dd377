"""What every model of autoencoder answers, and the wiring of those that factor into trunk, code and likelihood."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aeexp.codes.gaussian import Variational
from aeexp.errors import UserError
from aeexp.likelihoods import Likelihood
from aeexp.networks.base import Network
from aeexp.priors import NoPrior, Prior, StandardNormal
from aeexp.types import Batch, Code, Loss


@dataclass(frozen=True)
class Components:
    """What a configuration chooses for a model; a model takes what it needs of it."""

    shape: tuple[int, ...]  # of one example
    dim: int  # the width of the code
    network: Network
    code: Callable[..., nn.Module]  # (in_features=, dim=) -> features -> Code
    likelihood: Likelihood
    corruption: nn.Module  # x -> x~
    initialization: Callable[[nn.Module], None]

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise UserError(f"bottleneck.dim is the width of the code, at least 1, but got {self.dim}")
        with torch.random.fork_rng(devices=[]):  # the weights do not depend on what is tried here
            self.corruption(torch.zeros(1, *self.shape))  # refuses a shape that it cannot read


class Autoencoder(nn.Module, ABC):
    prior: Prior  # of the codes that `decode` reads

    @abstractmethod
    def initialize(self, batches: Iterable[Batch]) -> None:
        """Sees the training data once, before the first step."""

    @abstractmethod
    def loss(self, batch: Batch) -> Loss:
        """The objective; its term `recon` is the reconstruction's, in nats per example."""

    @abstractmethod
    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        """(B, *shape) -> Code"""

    @abstractmethod
    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, *positions, D) -> (B, *shape), the mean image of each code. UserError where a code alone has none."""

    @abstractmethod
    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, *shape) -> (B, *shape), without corruption and without sampling"""


class Factored(Autoencoder, ABC):
    """x~ = corruption(x), h = encoder(x~), code = code(h), theta = decoder(z), recon = likelihood.nll(theta, x)"""

    def __init__(self, components: Components) -> None:
        super().__init__()
        self.corruption, self.likelihood = components.corruption, components.likelihood
        self.encoder = components.network.encoder(components.shape)
        self.code = components.code(in_features=self.encoder.out_features, dim=components.dim)
        self.decoder = components.network.decoder(components.dim, components.shape)
        self.prior = StandardNormal(components.dim) if isinstance(self.code, Variational) else NoPrior()
        self.apply(components.initialization)

    def initialize(self, batches: Iterable[Batch]) -> None:
        """Starts from random weights, whatever the data."""

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        return self.encode_switches(x, y)[0]

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.likelihood.mean(self.decoder(self.condition(z, y)))

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        code, switches = self.encode_switches(x, y)
        return self.likelihood.mean(self.decoder(self.condition(code.mean, y), *switches))

    def reconstruction_nll(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Code]:
        """-log p(x | z) of the code of the corrupted input, (B,) nats, and that code."""
        code, switches = self.encode_switches(self.corruption(x), y)
        return self.likelihood.nll(self.decoder(self.condition(code.z, y), *switches), x), code

    def encode_switches(self, x: Tensor, y: Tensor | None = None) -> tuple[Code, list[Tensor]]:
        """The code of x, and what the encoder noted for the decoder."""
        h, switches = self.encoder.with_switches(x)
        return self.code(self.condition(h, y)), switches

    def condition(self, values: Tensor, y: Tensor | None) -> Tensor:
        """What the code reads of features, and the decoder of a code, (B, F): a conditional model adds the labels."""
        return values
