"""Anomaly detection: AUROC, average precision, false alarm rate at 95 % recall, and rates at a conformal threshold.

Normal examples are the test examples of the classes that the data's class filter trains on, which are all without one.
Anomalous examples are the test examples that the filter hides, and the test part of each data set in `against` that has
the same shape, except the run's own. The anomaly scores, larger for the more anomalous, and the baselines on pixels are
defined in aeexp.context.anomaly_scores. Of each score,

    <score>_auroc               probability that an anomalous example scores above a normal one, ties count half
    <score>_average_precision   sum_n (R_n - R_{n-1}) P_n with the anomalous as positives: depends on how many there are
    <score>_fpr95               false alarm rate at the threshold that detects 95 % of the anomalous.
                                Liang, Li and Srikant (2018), ODIN, section 4.3

as they stand for the hidden classes, and followed by `_<data set>` for the others; of a baseline the AUROC alone. The
threshold is chosen on normal validation examples only:

    <score>_threshold           exceeded by a new normal example with a probability of at most `target_false_alarm_rate`
    <score>_false_alarm_rate    fraction of the normal test examples above it
    <score>_detection_rate      fraction of the anomalous above it, again with `_<data set>`
    <score>_f1                  harmonic mean of precision and recall of what is above it, the same

Of a table of records, the figure `anomaly_columns` and the facts name the rows of the largest squared errors, from 0,
and the columns that these are due to. Of series, the figure `anomaly_series` shows where the largest errors are.

The bound holds where normal examples are exchangeable, whatever the score (aeexp.metrics.detection.threshold). Fewer
than 1 / rate - 1 validation examples cannot guarantee that rate; then the metric `target_false_alarm_rate` is
1 / (n + 1). The validation part also chose the epoch.
"""

import numpy as np
import torch

from aeexp.columns import Layout
from aeexp.context.anomaly_scores import Baselines, Score, diverged, model_scores
from aeexp.context.base import EvaluationContext, Result, Splits
from aeexp.data.examples import Examples
from aeexp.data.module import DataModule
from aeexp.errors import NotApplicable, UserError
from aeexp.metrics.detection import auroc, exceedance_rate, f1, ranking_metrics, roc, threshold
from aeexp.plots.detection import Scores, largest_errors, roc_curves, score_histograms
from aeexp.plots.series import Explained, explained_series

UNUSUAL, USUAL = 4, 2  # series that are drawn
LARGEST, EXPLAINING = 8, 3  # rows of the largest errors, and columns of each that are named
TINY = 1e-30  # the error of a perfect reconstruction
HIDDEN = "hidden classes"  # the anomalous group from the run's own test part


class Anomaly:
    """`against`: data sets by name; `target_false_alarm_rate` in (0, 1); `samples` of a code, for the ELBO."""

    def __init__(
        self,
        against: dict[str, DataModule],
        target_false_alarm_rate: float,
        samples: int,
        baselines: Baselines,
        seed: int,
    ) -> None:
        if not 0 < target_false_alarm_rate < 1:
            raise UserError(f"target_false_alarm_rate={target_false_alarm_rate} is a rate: choose one between 0 and 1")
        if samples < 1:
            raise UserError(f"anomaly.samples={samples} of a code estimate the ELBO: choose at least 1")
        self.samples, self.seed = samples, seed
        self.against, self.target_false_alarm_rate, self.baselines = against, target_false_alarm_rate, baselines

    def __call__(self, context: EvaluationContext) -> Result:
        data = context.data
        normal = data.class_filter.normal(data.test.y).numpy()
        hidden = ~normal & (data.test.y >= 0).numpy()
        others = {name: test_part(other, data.scale) for name, other in self.against.items() if _foreign(other, data)}
        if not hidden.any() and not others:
            raise self._nothing(data)

        def scored(score: Score) -> Scores:
            own, anomalous = score(data.test), {name: score(part) for name, part in others.items()}
            if not all(np.isfinite(each).all() for each in (own, *anomalous.values())):
                raise diverged()
            return Scores(own[normal], {HIDDEN: own[hidden], **anomalous} if hidden.any() else anomalous)

        functions = model_scores(context, self.samples, self.seed)
        scores = {name: scored(score) for name, score in functions.items()}
        baselines = {name: scored(score) for name, score in self.baselines.fit(data.train).items()}
        rate = max(self.target_false_alarm_rate, 1 / (len(data.val) + 1))
        thresholds = {name: threshold(score(data.val), rate) for name, score in functions.items()}
        metrics = {"target_false_alarm_rate": rate}
        for name in scores:
            measured = detection_metrics(scores[name], thresholds[name])
            metrics |= {f"{name}_{metric}": value for metric, value in measured.items()}
        for name, (of_normal, anomalous) in baselines.items():
            metrics |= {f"{name}_auroc{_suffix(g)}": auroc(of_normal, of_group) for g, of_group in anomalous.items()}
        curves, beside = ({name: _rocs(each) for name, each in some.items()} for some in (scores, baselines))
        figures = {
            "anomaly_scores": score_histograms(scores, thresholds, context.model_name),
            "anomaly_roc": roc_curves(curves, beside, context.model_name),
        }
        if len(data.shape) < 3 and data.columns is None and data.vocabulary is None:
            figures["anomaly_series"] = explained_series(series_of_errors(context, normal), context.model_name)
        if data.columns is None:
            return Result(metrics, figures)
        rows = columns_of_largest_errors(context, data.columns)
        facts = {f"row {row}": ", ".join(f"{name} {share:.0%}" for name, share in top) for row, top in rows.items()}
        return Result(metrics, {**figures, "anomaly_columns": largest_errors(rows, context.model_name)}, facts=facts)

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


def columns_of_largest_errors(context: EvaluationContext, layout: Layout) -> dict[str, list[tuple[str, float]]]:
    """By row of the table, from 0, and its class: the columns with the largest shares of its squared error."""
    test = context.data.test
    rows = context.errors(test).squared.argsort(descending=True)[:LARGEST]
    x, y = test[rows]
    with torch.no_grad():
        error = (x - context.model.reconstruct(x, y)).square()  # (k, D)
    of_columns = torch.stack([error[:, place].sum(1) for place in layout.places], 1)
    shares, order = (of_columns / error.sum(1, keepdim=True).clamp_min(TINY)).sort(1, descending=True)
    names = layout.names
    return {
        f"{context.data.test_rows[row]} ({context.class_name(label)})": [
            (names[i], share) for i, share in zip(which[:EXPLAINING], of_row[:EXPLAINING], strict=True)
        ]
        for row, label, which, of_row in zip(rows.tolist(), y.tolist(), order.tolist(), shares.tolist(), strict=True)
    }


def series_of_errors(context: EvaluationContext, normal: np.ndarray) -> dict[str, Explained]:
    """Of series (T,) or (T, F), those with the largest errors, and normal ones with the median error of such: by its
    place in the test part and its class."""
    test, squared = context.data.test, context.errors(context.data.test).squared.numpy()
    usual = np.flatnonzero(normal)[np.argsort(squared[normal])][normal.sum() // 2 :][:USUAL]
    shown = torch.as_tensor(np.concatenate([np.argsort(-squared)[:UNUSUAL], usual]))
    x, y = test[shown]
    with torch.no_grad():
        restored = context.model.reconstruct(x, y)
    found = [each.flatten(2) if each.dim() > 2 else each[..., None] for each in (x, restored)]
    return {
        f"{place} ({context.class_name(label)})": Explained(one.numpy(), again.numpy())
        for place, label, one, again in zip(shown.tolist(), y.tolist(), *found, strict=True)
    }


def detection_metrics(scores: Scores, threshold: float) -> dict[str, float]:
    """All metrics of one score, by metric and group"""
    normal, anomalous = scores
    metrics = {"threshold": threshold, "false_alarm_rate": exceedance_rate(normal, threshold)}
    for group, of_group in anomalous.items():
        at_threshold = {"detection_rate": exceedance_rate(of_group, threshold), "f1": f1(normal, of_group, threshold)}
        measured = ranking_metrics(normal, of_group) | at_threshold
        metrics |= {f"{metric}{_suffix(group)}": value for metric, value in measured.items()}
    return metrics


def _rocs(scores: Scores) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {group: roc(scores.normal, of_group) for group, of_group in scores.anomalous.items()}


def _foreign(other: DataModule, data: Splits) -> bool:
    return other.name != data.name and other.shape == data.shape


def _suffix(group: str) -> str:
    return "" if group == HIDDEN else f"_{group}"
