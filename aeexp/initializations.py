"""How the weights start: functions that are applied to every module of a model."""

from dataclasses import dataclass

from torch import nn

LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


class Torch:
    """PyTorch's own: weights and biases uniform within 1/sqrt(fan in)."""

    def __call__(self, module: nn.Module) -> None:
        """Leaves the module as its constructor made it."""


class Glorot:
    """Weights uniform within sqrt(6 / (fan in + fan out)), biases 0. Glorot and Bengio (2010), eq. 16."""

    def __call__(self, module: nn.Module) -> None:
        if isinstance(module, LAYERS):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@dataclass(frozen=True)
class Normal:
    """Weights from N(0, std^2), biases 0."""

    std: float

    def __call__(self, module: nn.Module) -> None:
        if isinstance(module, LAYERS):
            nn.init.normal_(module.weight, std=self.std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
