"""Detection of anomalies by a score, larger for the more anomalous: AUROC, average precision, thresholds, rates.

Scores are (n,) of normal and (m,) of anomalous examples.
"""

from math import ceil

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

RECALL = 0.95


def labelled(normal: np.ndarray, anomalous: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """0 for normal and 1 for anomalous, and the scores: (n + m,) each."""
    return np.repeat([0, 1], [len(normal), len(anomalous)]), np.concatenate([normal, anomalous])


def auroc(normal: np.ndarray, anomalous: np.ndarray) -> float:
    """Area under the ROC curve: the probability that an anomalous example scores above a normal one, ties count half"""
    return float(roc_auc_score(*labelled(normal, anomalous)))


def roc(normal: np.ndarray, anomalous: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ROC curve: false alarm rate and detection rate, (t,) each, over all thresholds"""
    false_alarm_rate, detection_rate, _ = roc_curve(*labelled(normal, anomalous))
    return false_alarm_rate, detection_rate


def equal_error_rate(false_alarm_rate: np.ndarray, detection_rate: np.ndarray) -> float:
    """Where a ROC curve (t,), in straight lines between its points, has as many false alarms as what is missed"""
    above = false_alarm_rate - (1 - detection_rate)  # rises from -1 to 1
    i = int(np.argmax(above >= 0))
    t = -above[i - 1] / (above[i] - above[i - 1])
    return float(false_alarm_rate[i - 1] + t * (false_alarm_rate[i] - false_alarm_rate[i - 1]))


def ranking_metrics(normal: np.ndarray, anomalous: np.ndarray) -> dict[str, float]:
    """What depends on the order of the scores alone: auroc, average_precision, fpr95."""
    truth, scores = labelled(normal, anomalous)
    false_alarm_rate, recall, _ = roc_curve(truth, scores, drop_intermediate=False)
    return {
        "auroc": auroc(normal, anomalous),
        "average_precision": float(average_precision_score(truth, scores)),
        "fpr95": float(false_alarm_rate[np.searchsorted(recall, RECALL)]),
    }


def threshold(val: np.ndarray, rate: float) -> float:
    """The conformal threshold: a new normal score exceeds it with a probability of at most `rate`.

    The k-th smallest of the n validation scores (n,), k = ceil((n + 1)(1 - rate)), at most n: Vovk, Gammerman and
    Shafer (2005), Algorithmic learning in a random world, section 2.
    """
    k = ceil((len(val) + 1) * (1 - rate) - 1e-9)  # 20 * (1 - 0.05) is 19, not a little more
    return float(np.sort(val)[min(k, len(val)) - 1])


def f1(normal: np.ndarray, anomalous: np.ndarray, threshold: float) -> float:
    """The harmonic mean of precision and recall of what is above the threshold, with the anomalous as positives"""
    detected, alarms = (anomalous > threshold).sum(), (normal > threshold).sum()
    return float(2 * detected / (detected + alarms + len(anomalous)))


def exceedance_rate(scores: np.ndarray, threshold: float) -> float:
    """The fraction of scores above the threshold: false alarm rate of normal, detection rate of anomalous examples"""
    return float((scores > threshold).mean())
