"""Verification against codes whose similarities are known, and against a count over all thresholds."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from composing import made

from aeexp.context.base import EvaluationContext
from aeexp.data.class_filters import AllClasses, LeaveOut
from aeexp.data.examples import Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.verification import Verification
from aeexp.metrics.detection import equal_error_rate, roc


def answers(train, train_y, test, test_y, class_filter=None, **options):
    """Of codes that are the examples themselves."""
    model = SimpleNamespace(encode=lambda x: SimpleNamespace(mean=x), eval=lambda: model)
    parts = {"train": Examples(train, train_y, 1.0), "test": Examples(test, test_y, 1.0)}
    data = SimpleNamespace(**parts, class_filter=class_filter or AllClasses())
    protocol = Verification(**{"examples": 100, "far": 0.1, "seed": 0, **options})
    return protocol(EvaluationContext(model, data, None, "oracle"))


def around(directions, n, noise, generator):
    """n codes near each of some directions, and which it is."""
    y = torch.arange(len(directions)).repeat_interleave(n)
    lengths = 1 + torch.rand(len(y), 1, generator=generator)
    return lengths * (directions[y] + noise * torch.randn(len(y), directions.shape[1], generator=generator)), y


def test_classes_of_their_own_directions_are_told_apart_whatever_the_lengths():
    generator = torch.Generator().manual_seed(0)
    axes = torch.cat([torch.eye(4), -torch.eye(4)])
    result = answers(*around(axes, 20, 0.01, generator), *around(axes, 5, 0.01, generator))
    assert result.metrics == {"eer": 0.0, "auroc": 1.0, "tar_at_0.1": 1.0, "rank_1": 1.0}
    assert list(result.figures) == ["verification"]


def test_codes_without_a_class_are_told_apart_by_chance():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(400) % 20
    found = answers(*(each for _ in range(2) for each in (torch.randn(400, 8, generator=generator), y)), examples=400)
    assert found.metrics["eer"] == pytest.approx(0.5, abs=0.03)
    assert found.metrics["auroc"] == pytest.approx(0.5, abs=0.03)
    assert found.metrics["rank_1"] == pytest.approx(1 / 20, abs=0.04)


def test_rates_are_those_of_a_count_over_all_thresholds():
    generator = torch.Generator().manual_seed(1)
    train, train_y = torch.randn(30, 3, generator=generator) + 2, torch.arange(30) % 3
    test, y = around(torch.eye(3), 6, 0.7, generator)
    found = answers(train, train_y, test, y).metrics
    a = torch.nn.functional.normalize(test.double() - train.double().mean(0), dim=1).numpy()
    pairs = [(a[i] @ a[j], y[i] == y[j]) for i in range(18) for j in range(i)]
    genuine, impostor = ([s for s, same in pairs if bool(same) is kind] for kind in (True, False))
    rates = [(np.mean([s >= t for s in impostor]), np.mean([s < t for s in genuine])) for t in genuine + impostor]
    apart = min(abs(accepted - missed) for accepted, missed in rates)
    near = [accepted for accepted, missed in rates if abs(accepted - missed) == apart]
    assert abs(found["eer"] - near[0]) <= apart + 1 / len(genuine)
    assert found["tar_at_0.1"] == pytest.approx(max(1 - missed for accepted, missed in rates if accepted <= 0.1))
    b = torch.nn.functional.normalize(train.double() - train.double().mean(0), dim=1).numpy()
    assert found["rank_1"] == pytest.approx(np.mean(train_y.numpy()[(b @ a.T).argmax(0)] == y.numpy()))


def test_the_equal_error_rate_is_where_the_curve_crosses():
    assert equal_error_rate(*roc(np.array([0.0, 1.0]), np.array([2.0, 3.0]))) == 0
    assert equal_error_rate(*roc(np.array([2.0, 3.0]), np.array([0.0, 1.0]))) == 1
    assert equal_error_rate(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0.5
    assert equal_error_rate(np.array([0.0, 0.1, 0.4, 1.0]), np.array([0.0, 0.5, 0.6, 1.0])) == pytest.approx(0.4)


def test_pairs_of_unseen_classes_stand_by_themselves():
    generator = torch.Generator().manual_seed(0)
    axes = torch.eye(4)
    train, train_y = around(axes[:2], 10, 0.01, generator)
    test, y = around(axes, 6, 0.01, generator)
    test[y >= 2] = torch.randn(12, 4, generator=generator)  # two classes that no code tells apart
    found = answers(train, train_y, test, y, LeaveOut([2, 3])).metrics
    assert found["eer_unseen"] > 0.2
    assert found["rank_1"] == 1.0  # of the two classes that have training examples
    of_two = answers(train, train_y, test[y >= 2], y[y >= 2], LeaveOut([2, 3])).metrics
    assert of_two["eer"] == of_two["eer_unseen"]
    assert "rank_1" not in of_two


def test_what_cannot_be_paired_is_refused():
    x, y = torch.rand(6, 2), torch.arange(6)
    with pytest.raises(NotApplicable, match="two of one of them: choose"):
        answers(x, y, x, y)
    with pytest.raises(NotApplicable, match="no labels"):
        answers(x, y, x, torch.full((6,), -1))
    for options in ({"examples": 1}, {"far": 0.0}):
        with pytest.raises(UserError, match="choose at least 2 examples, and a rate between 0 and 1"):
            Verification(**{"examples": 5, "far": 0.1, "seed": 0, **options})


def test_digits_of_one_class_are_more_alike():
    task, data = made("model=pca", "bottleneck=10")
    task.model.initialize(data.train.batches(1000))
    found = Verification(examples=200, far=0.01, seed=0)(EvaluationContext(task.model, data, None, "pca")).metrics
    assert found["eer"] < 0.3 and found["rank_1"] > 0.9
