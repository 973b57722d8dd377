"""Whether what a kind was not trained on looks strange to it.

Normal: the test examples of the classes that the data's view trains on, which are all without a view. Anomalous: the
test examples that the view hides, and the test part of each data set in `against` that has the same shape (the run's
own is left out). The scores, larger for the stranger, and the baselines: detectors.py. Of each score,

    auroc               probability that an anomalous example scores above a normal one, ties count half
    average_precision   sum_n (R_n - R_{n-1}) P_n with the anomalous as positives: depends on how many there are
    fpr95               share of normal examples above the threshold that finds 95 % of the anomalous.
                        Liang, Li and Srikant (2018), ODIN, section 4.3

as they stand for what the view hides, and followed by `_<data set>` for the others; of a baseline the auroc alone.
And with a threshold that sees normal validation examples only,

    false_alarms        share of the normal test examples above it, which should be near `promised`
    detected            share of the anomalous above it

The threshold is the k-th smallest of the n validation scores, k = ceil((n + 1)(1 - rate)): where normal examples are
exchangeable, a new one lies above it with a probability of at most `rate`, whatever the score. Vovk, Gammerman and
Shafer (2005), Algorithmic learning in a random world, section 2. Under 1 / rate - 1 examples cannot promise as
little; then k = n, and `promised` tells that it is 1 / (n + 1). The validation part also chose the epoch.
"""

from math import ceil

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from aeexp.data.examples import Examples
from aeexp.data.images import Images
from aeexp.errors import Unanswerable, UserError
from aeexp.evaluation.anomaly_figures import Values, histograms, labelled, rocs
from aeexp.evaluation.detectors import Baselines, Score, diverged, of_kind
from aeexp.evaluation.subject import Result, Splits, Subject

RECALL = 0.95
HIDDEN = "hidden classes"  # the group from the run's own test part


class Anomaly:
    def __init__(self, against: dict[str, Images], promised: float, baselines: Baselines) -> None:
        if not 0 < promised < 1:
            raise UserError(f"promised={promised} is a rate of false alarms: choose one between 0 and 1")
        self.against, self.promised, self.baselines = against, promised, baselines

    def __call__(self, subject: Subject) -> Result:
        data = subject.data
        normal = data.view.normal(data.test.y).numpy()
        hidden = ~normal & (data.test.y >= 0).numpy()
        others = {name: test_part(other, data.scale) for name, other in self.against.items() if _foreign(other, data)}
        if not hidden.any() and not others:
            raise self._nothing(data)

        def values(score: Score) -> Values:
            own, strange = score(data.test), {name: score(part) for name, part in others.items()}
            if not all(np.isfinite(each).all() for each in (own, *strange.values())):
                raise diverged()
            return Values(own[normal], {HIDDEN: own[hidden], **strange} if hidden.any() else strange)

        scores = of_kind(subject)
        found = {name: values(score) for name, score in scores.items()}
        beside = {name: values(score) for name, score in self.baselines.fitted(data.train).items()}
        rate = max(self.promised, 1 / (len(data.val) + 1))
        limits = {name: threshold(score(data.val), rate) for name, score in scores.items()}
        metrics = {"promised": rate}
        for name in scores:
            metrics |= {f"{name}_{measure}": value for measure, value in judged(found[name], limits[name]).items()}
        for name, (of_normal, strange) in beside.items():
            metrics |= {f"{name}_auroc{_end(group)}": auroc(of_normal, of_group) for group, of_group in strange.items()}
        pictures = {
            "anomaly_scores": histograms(found, limits, subject.kind),
            "anomaly_roc": rocs(found, beside, subject.kind),
        }
        return Result(metrics, pictures)

    def _nothing(self, data: Splits) -> Unanswerable:
        return Unanswerable(
            f"nothing is anomalous to data={data.name}, whose classes are all trained on and of whose shape "
            f"{list(data.shape)} no other data set of {list(self.against)} is: choose view=one_class or "
            "view=leave_out, or name another data set in evaluation.anomaly.against"
        )


def test_part(other: Images, scale: float) -> Examples:
    """The test part of another data set, its values in [0, scale]."""
    other.prepare_data()
    other.setup()
    return Examples(other.test.x, other.test.y, other.factor * scale / other.scale)


def threshold(val: np.ndarray, rate: float) -> float:
    """Normal scores (n,) -> the one which a new normal score exceeds with a probability of at most `rate`."""
    k = ceil((len(val) + 1) * (1 - rate) - 1e-9)  # 20 * (1 - 0.05) is 19, not a little more
    return float(np.sort(val)[min(k, len(val)) - 1])


def judged(values: Values, limit: float) -> dict[str, float]:
    """All measures of one score."""
    normal, strange = values
    metrics = {"threshold": limit, "false_alarms": float((normal > limit).mean())}
    for group, scores in strange.items():
        of_group = measures(normal, scores) | {"detected": float((scores > limit).mean())}
        metrics |= {f"{measure}{_end(group)}": value for measure, value in of_group.items()}
    return metrics


def auroc(normal: np.ndarray, strange: np.ndarray) -> float:
    return float(roc_auc_score(*labelled(normal, strange)))


def measures(normal: np.ndarray, strange: np.ndarray) -> dict[str, float]:
    """Of the scores (n,) of normal and (m,) of anomalous examples."""
    truth, scores = labelled(normal, strange)
    false_alarms, recall, _ = roc_curve(truth, scores, drop_intermediate=False)
    return {
        "auroc": auroc(normal, strange),
        "average_precision": float(average_precision_score(truth, scores)),
        "fpr95": float(false_alarms[np.searchsorted(recall, RECALL)]),
    }


def _foreign(other: Images, data: Splits) -> bool:
    return other.name != data.name and other.shape == data.shape


def _end(group: str) -> str:
    return "" if group == HIDDEN else f"_{group}"
