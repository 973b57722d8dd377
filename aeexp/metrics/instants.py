"""Detection of anomalous instants of a series, which come in segments: alarms (T,) bool, and the truth (T,) bool."""

import numpy as np

from aeexp.metrics.detection import f1


def segments(truth: np.ndarray) -> list[slice]:
    """The runs of anomalous instants"""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], truth.astype(np.int8), [0]])))
    return [slice(first, last) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def f1_of_alarms(alarms: np.ndarray, truth: np.ndarray) -> float:
    """The harmonic mean of precision and recall of the instants"""
    return f1(alarms[~truth], alarms[truth], 0.5)


def point_adjusted(alarms: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The alarms, with all instants of a segment where one of them is an alarm. Xu et al. (2018), Donut, section 4.2"""
    adjusted = alarms.copy()
    for segment in segments(truth):
        adjusted[segment] = adjusted[segment].any()
    return adjusted


def adjusted_f1_of_chance(rate: float, truth: np.ndarray) -> float:
    """The point-adjusted F1 of alarms that are drawn for each instant by itself, of their expected counts.

    A segment of L instants is found with a probability of 1 - (1 - rate)^L, which is near 1 for long ones. Kim et al.
    (2022), Towards a rigorous evaluation of time-series anomaly detection, section 3
    """
    lengths = np.array([segment.stop - segment.start for segment in segments(truth)])
    found = (lengths * (1 - (1 - rate) ** lengths)).sum()
    return float(2 * found / max(found + rate * (~truth).sum() + truth.sum(), 1e-12))
