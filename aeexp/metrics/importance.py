"""Importance sampling from log weights (..., k): the bound on the log-likelihood, and the effective sample size."""

from math import log

from torch import Tensor


def log_mean_weight(log_w: Tensor) -> Tensor:
    """log 1/k sum_i w_i, (..., k) -> (...): Burda, Grosse and Salakhutdinov (2016), eq. 8"""
    return log_w.logsumexp(-1) - log(log_w.shape[-1])


def effective_sample_size(log_w: Tensor) -> Tensor:
    """(sum_i w_i)^2 / sum_i w_i^2, (..., k) -> (...), from 1 to k. Kong (1992)"""
    return 1 / log_w.softmax(-1).square().sum(-1)


def mean_and_error(name: str, values: Tensor) -> dict[str, float]:
    """<name>, the mean of (n,), and <name>_error, its standard error, where there are several."""
    error = {f"{name}_error": (values.std() / len(values) ** 0.5).item()} if len(values) > 1 else {}
    return {name: values.mean().item(), **error}
