"""Anomalous instants of a series: a score for each instant, from the reconstructions of all windows that it is in.

The score of an instant is its squared error, summed over the columns, averaged over the windows that it is in. The
threshold is chosen on the validation windows, without a look at a label, so that at most `target_false_alarm_rate` of
their instants are above it (aeexp.metrics.detection.threshold, whose bound is of independent instants, and these are
not). Where the file says which instants are anomalous,

    auroc, average_precision, false_alarm_rate, detection_rate, f1
                         of the instants, each for itself, the last three at the threshold
    segments_detected    the fraction of the segments of anomalous instants with one above the threshold
    f1_adjusted          F1 after all instants of a segment count as found where one is (point adjustment)
    f1_adjusted_chance   the same of alarms that are drawn by chance, as many as the model gives: point adjustment is no
                         measure of a model where this is near it. Kim et al. (2022)
    value_auroc, change_auroc
                         baselines that no model reads: the squared distance of an instant from the training mean, in
                         standard deviations, and its squared change from the instant before

and anyway

    threshold, alarm_rate   the fraction of test instants above it
"""

import numpy as np
import torch
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result
from aeexp.errors import NotApplicable, UserError
from aeexp.metrics.detection import auroc, exceedance_rate, ranking_metrics, threshold
from aeexp.metrics.instants import adjusted_f1_of_chance, f1_of_alarms, point_adjusted, segments
from aeexp.plots.series import scored_series
from aeexp.types import Batch


class Pointwise:
    def __init__(self, target_false_alarm_rate: float) -> None:
        if not 0 < target_false_alarm_rate < 1:
            raise UserError(f"target_false_alarm_rate={target_false_alarm_rate} is a rate: choose one between 0 and 1")
        self.target_false_alarm_rate = target_false_alarm_rate

    def __call__(self, context: EvaluationContext) -> Result:
        """NotApplicable of data that are no windows of a series."""
        data, instants = context.data, context.data.instants
        if instants is None:
            raise NotApplicable("the test examples are no windows of a series: choose data=windows with data.test=null")

        def errors(batch: Batch) -> Tensor:
            return (batch.x - context.model.reconstruct(*batch)).square().sum(2)

        scores = averaged(context.map(errors, data.test), instants.starts).numpy()
        of_val = averaged(context.map(errors, data.val), instants.val_starts)
        above = threshold(of_val[~of_val.isnan()].numpy(), self.target_false_alarm_rate)
        alarms = scores > above
        metrics = {"threshold": above, "alarm_rate": float(alarms.mean())}
        values = averaged(context.map(lambda batch: batch.x, data.test), instants.starts).numpy()  # (T, F)
        truth = np.zeros(len(scores), bool) if instants.anomalous is None else instants.anomalous.numpy()
        if 0 < truth.sum() < len(truth):
            metrics |= detected(scores, alarms, truth)
            change = np.concatenate([[0.0], np.square(np.diff(values, axis=0)).sum(1)])
            for name, score in (("value", np.square(values).sum(1)), ("change", change)):
                metrics[f"{name}_auroc"] = auroc(score[~truth], score[truth])
        figure = scored_series(values, scores, above, truth, context.model_name)
        return Result(metrics, {"pointwise": figure})


def averaged(of_windows: Tensor, starts: Tensor) -> Tensor:
    """Of windows (N, window, ...) that begin at `starts` (N,), the mean at each instant, (T, ...) float64; nan of an
    instant that is in none."""
    places = (starts[:, None] + torch.arange(of_windows.shape[1])).flatten()
    values = of_windows.double().flatten(0, 1)
    total = values.new_zeros(int(places.max()) + 1, *values.shape[1:]).index_add(0, places, values)
    count = values.new_zeros(len(total)).index_add(0, places, torch.ones_like(places).double())
    return total / count.view(-1, *(1 for _ in total.shape[1:]))


def detected(scores: np.ndarray, alarms: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    normal, anomalous = scores[~truth], scores[truth]
    ranking = ranking_metrics(normal, anomalous)
    return {
        "auroc": ranking["auroc"],
        "average_precision": ranking["average_precision"],
        "false_alarm_rate": exceedance_rate(alarms[~truth], 0.5),
        "detection_rate": exceedance_rate(alarms[truth], 0.5),
        "f1": f1_of_alarms(alarms, truth),
        "segments_detected": float(np.mean([alarms[segment].any() for segment in segments(truth)])),
        "f1_adjusted": f1_of_alarms(point_adjusted(alarms, truth), truth),
        "f1_adjusted_chance": adjusted_f1_of_chance(float(alarms.mean()), truth),
    }
