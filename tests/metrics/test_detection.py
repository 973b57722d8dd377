"""AUROC, average precision, false alarm rates and the conformal threshold against closed forms and scipy."""

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu, norm

from aeexp.metrics.detection import exceedance_rate, ranking_metrics, threshold


def test_auroc_is_the_mann_whitney_statistic_with_ties():
    generator = torch.Generator().manual_seed(0)
    normal, anomalous = (
        torch.randint(low, low + 6, (n,), generator=generator).numpy() for low, n in ((0, 40), (2, 25))
    )
    expected = mannwhitneyu(anomalous, normal).statistic / (40 * 25)
    assert ranking_metrics(normal, anomalous)["auroc"] == pytest.approx(expected)


def test_auroc_and_fpr95_of_two_normal_distributions():
    generator = torch.Generator().manual_seed(0)
    normal, anomalous = torch.randn(2, 100_000, generator=generator, dtype=torch.float64).numpy()
    found = ranking_metrics(normal, anomalous + 2)
    assert found["auroc"] == pytest.approx(norm.cdf(2 / 2**0.5), abs=0.005)
    assert found["fpr95"] == pytest.approx(norm.sf(2 + norm.ppf(0.05)), abs=0.01)


def test_average_precision_and_fpr95_of_six_scores():
    normal, anomalous = np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.5, 5.0])
    found = ranking_metrics(normal, anomalous)
    assert found["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found["fpr95"] == pytest.approx(1 / 4)
    assert found["auroc"] == pytest.approx(7 / 8)


@pytest.mark.parametrize(("n", "rate"), [(19, 0.05), (9, 0.1), (99, 0.05), (30, 0.2)])
def test_the_false_alarm_rate_of_the_threshold_is_at_most_its_target(n, rate):
    generator = torch.Generator().manual_seed(n)
    scores = torch.randn(4000, n + 1, generator=generator).numpy()
    kept = np.mean([new > threshold(val, rate) for val, new in zip(scores[:, :n], scores[:, n], strict=True)])
    exact = 1 - np.ceil((n + 1) * (1 - rate) - 1e-9) / (n + 1)
    assert exact <= rate + 1e-9
    assert kept == pytest.approx(exact, abs=4 * (rate / 4000) ** 0.5)


@pytest.mark.parametrize(("n", "rate", "k"), [(99, 0.05, 95), (19, 0.05, 19), (100, 0.05, 96), (5, 0.05, 5)])
def test_the_threshold_is_the_kth_smallest(n, rate, k):
    assert threshold(np.arange(1.0, n + 1)[::-1], rate) == k


def test_a_score_at_the_threshold_does_not_exceed_it():
    assert exceedance_rate(np.arange(4.0), 2.0) == 0.25
