"""Running moments of units, as batch normalization keeps them. Ioffe and Szegedy (2015), section 3.1."""

import torch
from torch import Tensor, nn

KEPT = 0.1  # of a batch's moments in the running ones
EPSILON = 1e-5  # joins a variance, as in torch.nn.BatchNorm1d


class Moments(nn.Module):
    """The mean and deviation (m,) of each unit of a batch (B, m), its examples weighted by w (B,); in eval mode, those
    that run on over the batches that were `noted`."""

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, a: Tensor, w: Tensor, noted: bool = True) -> tuple[Tensor, Tensor]:
        if not self.training:
            return self.running
        share = w / w.sum()
        mean = share @ a
        variance = share @ (a - mean).square()
        if noted:
            for running, of_batch in ((self.mean, mean), (self.variance, variance)):
                running.mul_(1 - KEPT).add_(KEPT * of_batch.detach())
        return mean, (variance + EPSILON).sqrt()

    @property
    def running(self) -> tuple[Tensor, Tensor]:
        """The running mean and deviation, (m,) each"""
        return self.mean, (self.variance + EPSILON).sqrt()
