"""A network of a point and a time: residual layers, to each of which the time is added."""

import torch
from torch import Tensor, nn

from aeexp.errors import UserError


def time_features(t: Tensor, n: int) -> Tensor:
    """Sines and cosines of times (B,), of n / 2 periods from 2 pi to 2 pi 10^4: (B, n). Vaswani et al. (2017), 3.5"""
    rates = torch.exp(torch.arange(n // 2, device=t.device) * (-9.2 / (n // 2)))  # to 1e-4
    angles = t[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Velocity(nn.Module):
    """v(u, t): (B, m), times (B,) from 0 to 1 -> (B, m)"""

    def __init__(self, size: int, width: int, depth: int) -> None:
        super().__init__()
        if width < 2 or depth < 1:
            raise UserError(f"a network of width={width} and depth={depth}: choose at least 2 and 1")
        self.first, self.width = nn.Linear(size, width), width
        self.times = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, width)) for _ in range(depth)
        )
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, size))

    def forward(self, u: Tensor, t: Tensor) -> Tensor:
        features = time_features(1000 * t, self.width - self.width % 2)
        features = nn.functional.pad(features, (0, self.width % 2))
        h = self.first(u)
        for layer, time in zip(self.layers, self.times, strict=True):
            h = h + layer(h + time(features))
        return self.last(h)
