"""Anomalous instants: closed forms, an oracle that knows them, and chance."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from labelled_oracle import Oracle

from aeexp.context.base import EvaluationContext
from aeexp.data.examples import Examples
from aeexp.data.windows import Instants
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.pointwise import Pointwise, averaged
from aeexp.metrics.instants import adjusted_f1_of_chance, f1_of_alarms, point_adjusted, segments

T, WINDOW = 400, 10
TRUTH = np.isin(np.arange(T), [*range(50, 60), *range(200, 240)])


def parts(truth=TRUTH, jump=0.0):
    """Windows of a series of noise, its anomalous instants moved by `jump`."""
    generator = torch.Generator().manual_seed(0)
    test = torch.randn(T, 2, generator=generator) + jump * torch.as_tensor(truth)[:, None]
    starts = torch.arange(0, T - WINDOW + 1, 5)

    def of(series):
        x = series.unfold(0, WINDOW, 5).transpose(1, 2)
        return Examples(x, torch.full((len(x),), -1), 1.0)

    val = of(torch.randn(T, 2, generator=generator))
    instants = Instants(starts, starts, None if truth is None else torch.as_tensor(truth))
    return SimpleNamespace(test=of(test), val=val, instants=instants)


def measured(image, data, rate=0.01):
    return Pointwise(rate)(EvaluationContext(Oracle(lambda x: x, image), data, None, "vae"))


def test_an_instant_has_the_mean_of_its_windows():
    found = averaged(torch.tensor([[1.0, 2, 3], [5, 6, 7], [9, 9, 9]]), torch.tensor([0, 1, 5]))
    assert found[:4].tolist() == [1, 3.5, 4.5, 7] and found[4].isnan() and found[5:].tolist() == [9, 9, 9]
    assert averaged(torch.ones(1, 3, 2), torch.tensor([0])).shape == (3, 2)


def test_a_model_that_gives_normal_instants_back_finds_all_others():
    data = parts(jump=50.0)
    result = measured(lambda x: x.where(x < 25, 0.0), data)
    metrics = result.metrics
    assert metrics["auroc"] == metrics["average_precision"] == metrics["f1"] == metrics["segments_detected"] == 1
    assert metrics["false_alarm_rate"] == 0 and metrics["alarm_rate"] == pytest.approx(TRUTH.mean())
    assert metrics["value_auroc"] == 1 and 0.4 < metrics["change_auroc"] < 0.7  # a step changes once
    assert {*result.figures} == {"pointwise"}


def test_chance_looks_good_after_point_adjustment_alone():
    """Errors that say nothing of the truth."""
    metrics = measured(torch.zeros_like, parts(), rate=0.1).metrics
    assert abs(metrics["auroc"] - 0.5) < 0.1 and metrics["f1"] < 0.25
    assert metrics["f1_adjusted"] > 0.6
    assert metrics["f1_adjusted"] == pytest.approx(metrics["f1_adjusted_chance"], abs=0.12)


def test_at_most_the_target_of_new_instants_is_above_the_threshold():
    metrics = measured(torch.zeros_like, parts(), rate=0.05).metrics
    assert metrics["alarm_rate"] == pytest.approx(0.05, abs=4 * (0.05 / T) ** 0.5)


def test_without_labels_there_are_a_threshold_and_alarms():
    data = parts()
    data.instants = data.instants._replace(anomalous=None)
    assert {*measured(torch.zeros_like, data).metrics} == {"threshold", "alarm_rate"}


def test_segments_and_point_adjustment():
    truth = np.array([1, 1, 0, 0, 1, 1, 1, 0, 1], bool)
    assert segments(truth) == [slice(0, 2), slice(4, 7), slice(8, 9)]
    alarms = np.array([0, 0, 0, 1, 0, 1, 0, 0, 0], bool)
    assert point_adjusted(alarms, truth).tolist() == [False, False, False, True, True, True, True, False, False]
    assert f1_of_alarms(alarms, truth) == pytest.approx(2 * 1 / (2 + 6))
    assert f1_of_alarms(point_adjusted(alarms, truth), truth) == pytest.approx(2 * 3 / (4 + 6))
    assert segments(np.zeros(3, bool)) == []


def test_chance_is_what_drawn_alarms_have():
    drawn, truth = np.random.default_rng(0), np.tile(TRUTH, 2000)  # of many segments, counts are near their expectation
    found = f1_of_alarms(point_adjusted(drawn.random(len(truth)) < 0.05, truth), truth)
    assert adjusted_f1_of_chance(0.05, truth) == pytest.approx(found, abs=0.02)
    assert adjusted_f1_of_chance(0.0, TRUTH) == 0


def test_what_is_no_series_is_refused():
    with pytest.raises(NotApplicable, match=r"choose data=windows with data.test=null"):
        measured(torch.zeros_like, SimpleNamespace(instants=None))
    with pytest.raises(UserError, match="choose one between 0 and 1"):
        Pointwise(1.0)
