"""Statistics of the units of a code: variance, effective rank, correlation, mutual information, sparsity."""

import torch
from sklearn.metrics import mutual_info_score
from torch import Tensor


def relative_variance(z: Tensor) -> Tensor:
    """(N, D) -> (D,): the variance of each unit over the largest; 0 of a constant code"""
    variance = z.double().var(0, correction=0)
    return variance / variance.max().clamp_min(torch.finfo(variance.dtype).tiny)


def constant_units(z: Tensor) -> Tensor:
    """(N, D) -> (D,) bool: the units that have one value for all examples"""
    return (z == z[0]).all(0)


def effective_rank(z: Tensor) -> float:
    """exp(-sum_i p_i log p_i), p_i = s_i / sum s, of the singular values s of the centred codes (N, D) float64.

    Roy and Vetterli (2007), The effective rank. From 1, of a line, to D; 0 of a constant code.
    """
    centred = z - z.mean(0)
    squares = torch.linalg.eigvalsh(centred.T @ centred)
    noise = max(1e-13 * squares.max().item(), 1e-28 * z.square().sum().item())  # of rounding
    s = squares.clamp_min(0).where(squares > noise, 0).sqrt()
    return torch.special.entr(s / s.sum()).sum().exp().item() if s.sum() > 0 else 0.0


def mean_correlation(z: Tensor) -> float:
    """Mean |correlation| over pairs of different units: (N, D) of D > 1 units that vary"""
    matrix = torch.corrcoef(z.T).abs()
    off = ~torch.eye(len(matrix), dtype=torch.bool)
    return matrix[off].mean().item()


def mutual_information(z: Tensor, y: Tensor, bins: int) -> Tensor:
    """Of each unit with the label, nats: (N, D) and (N,) -> (D,), by counting in `bins` equally frequent intervals."""
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    each = []
    for unit in z.double().T.contiguous():
        # by place among the sorted values: torch.quantile has a limit of 2^24 values
        inner = unit.sort().values[(edges * (len(unit) - 1)).round().long()].unique()
        each.append(mutual_info_score(y, torch.bucketize(unit, inner, right=True)))
    return torch.tensor(each, dtype=torch.float64)


def sparsity(z: Tensor) -> dict[str, float]:
    """Of codes (N, D), averaged over the examples: mean_activation, active_fraction, l0 and l1.

    l0 = #{j: z_j != 0},  active_fraction = l0 / D,  l1 = sum_j |z_j|,  mean_activation = sum_j z_j / D
    """
    z = z.double()
    l0 = (z != 0).double().sum(1).mean().item()
    return {
        "mean_activation": z.mean().item(),
        "active_fraction": l0 / z.shape[1],
        "l0": l0,
        "l1": z.abs().sum(1).mean().item(),
    }
