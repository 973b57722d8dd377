"""Whether what a model was not trained on looks anomalous to it.

Normal: the test examples of the classes that the data's view trains on, which are all without a view. Anomalous: the
test examples that the view hides, and the test part of each data set in `against` that has the same shape (the run's
own is left out). The scores, larger for the stranger, and the baselines: detectors.py. Of each score,

    auroc               probability that an anomalous example scores above a normal one, ties count half
    average_precision   sum_n (R_n - R_{n-1}) P_n with the anomalous as positives: depends on how many there are
    fpr95               share of normal examples above the threshold that finds 95 % of the anomalous.
                        Liang, Li and Srikant (2018), ODIN, section 4.3

as they stand for what the view hides, and followed by `_<data set>` for the others; of a baseline the auroc alone.
And with a threshold that sees normal validation examples only,

    false_alarms        share of the normal test examples above it, which should be near `target_rate`
    detected            share of the anomalous above it

The threshold is the k-th smallest of the n validation scores, k = ceil((n + 1)(1 - rate)): where normal examples are
exchangeable, a new one lies above it with a probability of at most `rate`, whatever the score. Vovk, Gammerman and
Shafer (2005), Algorithmic learning in a random world, section 2. Under 1 / rate - 1 examples cannot promise as
little; then k = n, and `target_rate` tells that it is 1 / (n + 1). The validation part also chose the epoch.
"""

from math import ceil

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from aeexp.context.anomaly_scores import Baselines, Score, diverged, of_kind
from aeexp.context.base import EvaluationContext, Result, Splits
from aeexp.data.examples import Examples
from aeexp.data.module import DataModule
from aeexp.errors import NotApplicable, UserError
from aeexp.plots.detection import Values, histograms, labelled, rocs

RECALL = 0.95
HIDDEN = "hidden classes"  # the group from the run's own test part


class Anomaly:
    def __init__(self, against: dict[str, DataModule], target_rate: float, baselines: Baselines) -> None:
        if not 0 < target_rate < 1:
            raise UserError(f"target_rate={target_rate} is a rate of false alarms: choose one between 0 and 1")
        self.against, self.target_rate, self.baselines = against, target_rate, baselines

    def __call__(self, context: EvaluationContext) -> Result:
        data = context.data
        normal = data.class_filter.normal(data.test.y).numpy()
        hidden = ~normal & (data.test.y >= 0).numpy()
        others = {name: test_part(other, data.scale) for name, other in self.against.items() if _foreign(other, data)}
        if not hidden.any() and not others:
            raise self._nothing(data)

        def values(score: Score) -> Values:
            own, anomalous = score(data.test), {name: score(part) for name, part in others.items()}
            if not all(np.isfinite(each).all() for each in (own, *anomalous.values())):
                raise diverged()
            return Values(own[normal], {HIDDEN: own[hidden], **anomalous} if hidden.any() else anomalous)

        scores = of_kind(context)
        found = {name: values(score) for name, score in scores.items()}
        beside = {name: values(score) for name, score in self.baselines.fitted(data.train).items()}
        rate = max(self.target_rate, 1 / (len(data.val) + 1))
        limits = {name: threshold(score(data.val), rate) for name, score in scores.items()}
        metrics = {"target_rate": rate}
        for name in scores:
            metrics |= {
                f"{name}_{measure}": value for measure, value in threshold_metrics(found[name], limits[name]).items()
            }
        for name, (of_normal, anomalous) in beside.items():
            metrics |= {
                f"{name}_auroc{_end(group)}": auroc(of_normal, of_group) for group, of_group in anomalous.items()
            }
        pictures = {
            "anomaly_scores": histograms(found, limits, context.model_name),
            "anomaly_roc": rocs(found, beside, context.model_name),
        }
        return Result(metrics, pictures)

    def _nothing(self, data: Splits) -> NotApplicable:
        return NotApplicable(
            f"nothing is anomalous to data={data.name}, whose classes are all trained on and of whose shape "
            f"{list(data.shape)} no other data set of {list(self.against)} is: choose class_filter=one_class or "
            "class_filter=leave_out, or name another data set in evaluation.anomaly.against"
        )


def test_part(other: DataModule, scale: float) -> Examples:
    """The test part of another data set, its values in [0, scale]."""
    other.prepare_data()
    other.setup()
    return Examples(other.test.x, other.test.y, other.factor * scale / other.scale)


def threshold(val: np.ndarray, rate: float) -> float:
    """Normal scores (n,) -> the one which a new normal score exceeds with a probability of at most `rate`."""
    k = ceil((len(val) + 1) * (1 - rate) - 1e-9)  # 20 * (1 - 0.05) is 19, not a little more
    return float(np.sort(val)[min(k, len(val)) - 1])


def threshold_metrics(values: Values, limit: float) -> dict[str, float]:
    """All measures of one score."""
    normal, anomalous = values
    metrics = {"threshold": limit, "false_alarms": float((normal > limit).mean())}
    for group, scores in anomalous.items():
        of_group = measures(normal, scores) | {"detected": float((scores > limit).mean())}
        metrics |= {f"{measure}{_end(group)}": value for measure, value in of_group.items()}
    return metrics


def auroc(normal: np.ndarray, anomalous: np.ndarray) -> float:
    return float(roc_auc_score(*labelled(normal, anomalous)))


def measures(normal: np.ndarray, anomalous: np.ndarray) -> dict[str, float]:
    """Of the scores (n,) of normal and (m,) of anomalous examples."""
    truth, scores = labelled(normal, anomalous)
    false_alarms, recall, _ = roc_curve(truth, scores, drop_intermediate=False)
    return {
        "auroc": auroc(normal, anomalous),
        "average_precision": float(average_precision_score(truth, scores)),
        "fpr95": float(false_alarms[np.searchsorted(recall, RECALL)]),
    }


def _foreign(other: DataModule, data: Splits) -> bool:
    return other.name != data.name and other.shape == data.shape


def _end(group: str) -> str:
    return "" if group == HIDDEN else f"_{group}"
