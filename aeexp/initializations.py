"""Initialization of weights and biases: a function that is applied to every module of a model.

After it the decoder's last bias is set to the mean training example (aeexp.models.base), unless the source of an
initialization says otherwise.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn

LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


class Initialization(ABC):
    output_starts_at_mean: bool = True  # whether the decoder's last bias is the mean example's

    @abstractmethod
    def __call__(self, module: nn.Module) -> None:
        """Sets the weights and biases of one module, in place."""


class Torch(Initialization):
    """PyTorch's own: weights and biases uniform within 1/sqrt(fan in)."""

    def __call__(self, module: nn.Module) -> None:
        """Leaves the module as its constructor made it."""


class Glorot(Initialization):
    """Weights uniform within sqrt(6 / (fan in + fan out)), all biases 0. Glorot and Bengio (2010), eq. 16; as Keras."""

    output_starts_at_mean = False

    def __call__(self, module: nn.Module) -> None:
        if isinstance(module, LAYERS):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@dataclass(frozen=True)
class Normal(Initialization):
    """Weights from N(0, std^2), all biases 0, the decoder's last one too: the source of table=semi_supervised."""

    output_starts_at_mean = False

    std: float

    def __call__(self, module: nn.Module) -> None:
        if isinstance(module, LAYERS):
            nn.init.normal_(module.weight, std=self.std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
