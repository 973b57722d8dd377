"""What the encoder sees instead of x. Each maps (B, *shape) to the same shape; the identity in eval mode."""

import torch
from torch import Tensor, nn

from aeexp.errors import UserError


class Uncorrupted(nn.Module):
    """x~ = x"""

    def forward(self, x: Tensor) -> Tensor:
        return x


class Gaussian(nn.Module):
    """x~ = x + scale * std * eps, eps ~ N(0, I), clipped to [0, scale]. Vincent et al. (2010), section 3.3."""

    def __init__(self, std: float, scale: float) -> None:
        super().__init__()
        if std < 0:
            raise UserError(f"corruption.std is a standard deviation, at least 0, but got {std}")
        self.std, self.scale = std, scale

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return (x + self.scale * self.std * torch.randn_like(x)).clamp(0, self.scale)


class Masking(nn.Module):
    """Each value is set to 0 with probability `fraction`. Vincent et al. (2010), section 3.3."""

    def __init__(self, fraction: float) -> None:
        super().__init__()
        self.fraction = _probability(fraction)

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.rand_like(x) >= self.fraction) if self.training else x


class SaltAndPepper(nn.Module):
    """Each value is set, with probability `fraction`, to 0 or to `scale`, by a fair coin. Vincent et al. (2010)."""

    def __init__(self, fraction: float, scale: float) -> None:
        super().__init__()
        self.fraction, self.scale = _probability(fraction), scale

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        u = torch.rand_like(x)
        pepper_or_salt = self.scale * (u < self.fraction / 2)
        return torch.where(u < self.fraction, pepper_or_salt, x)


def _probability(fraction: float) -> float:
    if not 0 <= fraction <= 1:
        raise UserError(f"corruption.fraction is a probability, between 0 and 1, but got {fraction}")
    return fraction
