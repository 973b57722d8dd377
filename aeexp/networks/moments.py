"""Running moments of units, as batch normalization keeps them. Ioffe and Szegedy (2015), section 3.1."""

import torch
from torch import Tensor, nn

KEPT = 0.1  # of a batch's moments in the running ones
EPSILON = 1e-5  # joins a variance, as in torch.nn.BatchNorm1d


class Moments(nn.Module):
    """The mean and deviation of each unit of a batch (B, m), within groups of its examples: `groups` (B, g) is 1 where
    an example is in a group. In training those of each example's group, (B, m); in eval mode those of the first group,
    (m,), which run on over the batches that were `noted`."""

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, a: Tensor, groups: Tensor, noted: bool = True) -> tuple[Tensor, Tensor]:
        if not self.training:
            return self.running
        share = (groups / groups.sum(0).clamp_min(1)).T  # (g, B)
        mean = share @ a  # (g, m)
        variance = share @ (a - groups @ mean).square()
        if noted:
            for running, of_batch in ((self.mean, mean[0]), (self.variance, variance[0])):
                running.mul_(1 - KEPT).add_(KEPT * of_batch.detach())
        return groups @ mean, (groups @ variance + EPSILON).sqrt()

    @property
    def running(self) -> tuple[Tensor, Tensor]:
        """The running mean and deviation, (m,) each"""
        return self.mean, (self.variance + EPSILON).sqrt()
