"""Restoration without a network: classical filters, and a line for each pixel. What a model has to beat.

    Median        the median of the `size` x `size` pixels around each
    GaussianBlur  their mean, weighted by a Gaussian of a standard deviation of `std` pixels
    Bicubic       means over `factor` x `factor` pixels, interpolated by cubic polynomials (Keys 1981): super-resolution
    Pixelwise     x^_i = a_i x~_i + b_i, least squares for each number i over corrupted training examples: the mean
                  image where x~_i is always hidden, the mean colour of what is gray, and shrinking against noise

Filters are of images (B, C, H, W), and give the same shape; beyond an edge the pixels on it are repeated.
"""

from collections.abc import Iterable
from typing import Protocol

import torch
from scipy.ndimage import gaussian_filter, median_filter
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from aeexp.errors import UserError
from aeexp.types import Batch


class Filter(Protocol):
    def __call__(self, x: Tensor) -> Tensor: ...


class Median:
    def __init__(self, size: int) -> None:
        if size < 1:
            raise UserError(f"size={size} of a median filter is in pixels: choose at least 1")
        self.size = size

    def __call__(self, x: Tensor) -> Tensor:
        return torch.as_tensor(median_filter(x.cpu().numpy(), (1, 1, self.size, self.size), mode="nearest")).to(x)


class GaussianBlur:
    def __init__(self, std: float) -> None:
        if std <= 0:
            raise UserError(f"std={std} of a Gaussian filter is in pixels: choose more than 0")
        self.std = std

    def __call__(self, x: Tensor) -> Tensor:
        return torch.as_tensor(gaussian_filter(x.cpu().numpy(), (0, 0, self.std, self.std), mode="nearest")).to(x)


class Bicubic:
    def __init__(self, factor: int) -> None:
        if factor < 1:
            raise UserError(f"factor={factor} is how many pixels become one: choose at least 1")
        self.factor = factor

    def __call__(self, x: Tensor) -> Tensor:
        coarse = avg_pool2d(x, self.factor, ceil_mode=True)
        size = [self.factor * length for length in coarse.shape[2:]]
        return interpolate(coarse, size, mode="bicubic", antialias=True)[..., : x.shape[2], : x.shape[3]]


class Pixelwise:
    def __init__(self, corruption: nn.Module, batches: Iterable[Batch]) -> None:
        """Fitted to the batches. A number that its corruption makes a constant gets its mean."""
        n, sums = 0, torch.zeros(())
        for x, _ in batches:
            seen, clean = corruption(x).double(), x.double()
            sums = sums + torch.stack([seen, clean, seen * seen, seen * clean]).sum(1)
            n += len(x)
        seen, clean, square, product = sums / n
        variance = square - seen * seen
        a = (product - seen * clean) / variance.clamp_min(1e-12)
        self.a = a.where(variance > 1e-9 * (1 + square), 0.0).float()
        self.b = (clean - self.a * seen).float()

    def __call__(self, x: Tensor) -> Tensor:
        return self.a * x + self.b
