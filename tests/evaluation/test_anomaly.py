"""What is anomalous to a model: oracles, closed forms, and the promise of the threshold."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from labelled_oracle import Oracle
from scipy.spatial.distance import mahalanobis as by_scipy
from scipy.stats import mannwhitneyu, norm
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from aeexp.context.anomaly_scores import Baselines, mahalanobis
from aeexp.context.base import EvaluationContext
from aeexp.data.class_filters import AllClasses, LeaveOut, OneClass
from aeexp.data.examples import Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.anomaly import HIDDEN, Anomaly, measures, threshold, threshold_metrics
from aeexp.plots.detection import Values

SHAPE, CLASSES = (1, 4, 4), 3


def part(n, seed):
    """Random images whose class is that of y."""
    generator = torch.Generator().manual_seed(seed)
    return Examples(torch.rand(n, *SHAPE, generator=generator), torch.arange(n) % CLASSES, 1.0)


class Elsewhere:
    """Another data set: brighter images, up to 255."""

    def __init__(self, name="elsewhere", shape=SHAPE):
        self.name, self.shape, self.scale, self.factor = name, shape, 255.0, 255.0
        self.read = False

    def prepare_data(self):
        self.read = True

    def setup(self):
        drawn = part(90, 7)
        self.test = Examples(0.5 + drawn.x / 2, drawn.y, self.factor)


def context(model, class_filter, **changes):
    train, val, test = part(300, 0), part(90, 1), part(150, 2)
    for narrowed in (train, val):
        kept = class_filter.normal(narrowed.y)
        narrowed.x, narrowed.y = narrowed.x[kept], narrowed.y[kept]
    data = SimpleNamespace(
        name="here", class_filter=class_filter, train=train, val=val, test=test, shape=SHAPE, classes=CLASSES
    )
    data.scale = 1.0
    return EvaluationContext(model, SimpleNamespace(**vars(data) | changes), None, "oracle")


def protocol(target_rate=0.1, **against):
    return Anomaly(against, target_rate, Baselines(components=2, trees=10, examples=200, seed=0))


def test_the_area_is_the_statistic_of_mann_and_whitney_with_ties():
    generator = torch.Generator().manual_seed(0)
    normal, anomalous = (
        torch.randint(low, low + 6, (n,), generator=generator).numpy() for low, n in ((0, 40), (2, 25))
    )
    expected = mannwhitneyu(anomalous, normal).statistic / (40 * 25)
    assert measures(normal, anomalous)["auroc"] == pytest.approx(expected)


def test_two_normal_distributions_have_the_measures_that_one_can_work_out():
    generator = torch.Generator().manual_seed(0)
    normal, anomalous = torch.randn(2, 100_000, generator=generator, dtype=torch.float64).numpy()
    found = measures(normal, anomalous + 2)
    assert found["auroc"] == pytest.approx(norm.cdf(2 / 2**0.5), abs=0.005)
    assert found["fpr95"] == pytest.approx(norm.sf(2 + norm.ppf(0.05)), abs=0.01)


def test_the_order_of_the_scores_decides_average_precision_and_false_alarms():
    normal, anomalous = np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.5, 5.0])
    found = measures(normal, anomalous)
    assert found["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found["fpr95"] == pytest.approx(1 / 4)
    assert found["auroc"] == pytest.approx(7 / 8)


@pytest.mark.parametrize(("n", "rate"), [(19, 0.05), (9, 0.1), (99, 0.05), (30, 0.2)])
def test_the_threshold_keeps_its_promise_on_average(n, rate):
    generator = torch.Generator().manual_seed(n)
    scores = torch.randn(4000, n + 1, generator=generator).numpy()
    kept = np.mean([new > threshold(val, rate) for val, new in zip(scores[:, :n], scores[:, n], strict=True)])
    exact = 1 - np.ceil((n + 1) * (1 - rate) - 1e-9) / (n + 1)
    assert exact <= rate + 1e-9
    assert kept == pytest.approx(exact, abs=4 * (rate / 4000) ** 0.5)


@pytest.mark.parametrize(("n", "rate", "k"), [(99, 0.05, 95), (19, 0.05, 19), (100, 0.05, 96), (5, 0.05, 5)])
def test_the_threshold_is_the_kth_smallest(n, rate, k):
    assert threshold(np.arange(1.0, n + 1)[::-1], rate) == k


def test_too_few_examples_promise_what_they_can():
    found = protocol(target_rate=0.001)(context(Oracle(lambda x: x.flatten(1)), OneClass([0]))).metrics
    assert found["target_rate"] == pytest.approx(1 / 31)
    assert (
        protocol(target_rate=0.1)(context(Oracle(lambda x: x.flatten(1)), OneClass([0]))).metrics["target_rate"] == 0.1
    )


def test_false_alarms_and_finds_are_counted_above_the_threshold():
    values = Values(np.arange(4.0), {HIDDEN: np.array([2.0, 9.0]), "far": np.array([9.0])})
    found = threshold_metrics(values, limit=2.0)
    assert (found["threshold"], found["false_alarms"], found["detected"], found["detected_far"]) == (2, 0.25, 0.5, 1)


def test_the_distance_is_that_of_scipy_with_the_covariance_of_sklearn():
    codes = torch.randn(80, 3, generator=torch.Generator().manual_seed(0)) @ torch.tensor(
        [[1.0, 2, 0], [0, 1, 0], [1, 1, 3]]
    )
    fitted = LedoitWolf().fit(codes.double().numpy())
    expected = [by_scipy(z, fitted.location_, fitted.precision_) ** 2 for z in codes.double().numpy()]
    assert mahalanobis(codes)(codes).tolist() == pytest.approx(expected)


def test_a_unit_that_never_moved_betrays_what_moves_it():
    codes = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 1.0, 0.0])
    usual, moved = mahalanobis(codes)(torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 2.0]]))
    assert moved > 3 * usual


class Blind(Oracle):
    """It restores what it was trained on, and blackens all else: a perfect and, inverted, a worst detector."""

    def __init__(self, anomalous):
        super().__init__(lambda x: x.flatten(1), lambda x: x.where(~anomalous(x)[:, None, None, None], 0))


def brighter(x):
    return x.flatten(1).min(1).values >= 0.5


def test_a_perfect_detector_finds_all_of_another_data_set_whatever_its_scale():
    found = protocol(elsewhere=Elsewhere())(context(Blind(brighter), AllClasses())).metrics
    for score in ("squared_error", "nats"):
        assert found[f"{score}_auroc_elsewhere"] == found[f"{score}_detected_elsewhere"] == 1
        assert found[f"{score}_average_precision_elsewhere"] == pytest.approx(1)
        assert found[f"{score}_fpr95_elsewhere"] == found[f"{score}_false_alarms"] == 0
    assert found["norm_auroc_elsewhere"] > 0.9
    assert "squared_error_auroc" not in found


def test_a_worst_detector_and_one_that_tells_nothing():
    worst = protocol(elsewhere=Elsewhere())(context(Blind(lambda x: ~brighter(x)), AllClasses())).metrics
    assert worst["squared_error_auroc_elsewhere"] == 0
    assert worst["squared_error_fpr95_elsewhere"] == 1
    nothing = protocol(elsewhere=Elsewhere())(context(Oracle(lambda x: torch.ones(len(x), 2)), AllClasses())).metrics
    assert nothing["squared_error_auroc_elsewhere"] == nothing["code_density_auroc_elsewhere"] == 0.5
    assert nothing["squared_error_detected_elsewhere"] == nothing["squared_error_false_alarms"] == 0


@pytest.mark.parametrize("class_filter", [OneClass([1]), LeaveOut([0, 2])], ids=["one_class", "leave_out"])
def test_what_the_view_hides_is_anomalous_and_the_unlabelled_is_neither(class_filter):
    def marked(x):
        return x[:, 0, 0, 0] == 0

    asked = context(Blind(marked), class_filter)
    asked.data.test.x[:, 0, 0, 0] = (asked.data.test.y == 1).float()
    asked.data.test.y[3:60:3] = -1  # of class 0, and would score as anomalous
    asked.data.test.y[4:61:3] = -1  # of class 1, and would score as normal
    found = protocol()(asked).metrics
    assert found["squared_error_auroc"] == found["squared_error_detected"] == 1
    assert found["squared_error_false_alarms"] == 0


def test_a_code_that_moves_for_anomalies_only_has_the_density_as_its_score():
    asked = context(Oracle(lambda x: x[:, 0, 0, :2] * 10 ** brighter(x)[:, None]), AllClasses())
    found = protocol(elsewhere=Elsewhere())(asked).metrics
    assert found["code_density_auroc_elsewhere"] > 0.99
    assert found["squared_error_auroc_elsewhere"] == 0.5


def test_baselines_are_those_of_sklearn_and_of_the_pixels():
    train, test = part(200, 0), part(50, 1)
    scores = {name: score(test) for name, score in Baselines(2, 10, 200, seed=0).fitted(train).items()}
    pixels, others = train.x.flatten(1).double().numpy(), test.x.flatten(1).double().numpy()
    pca = PCA(2).fit(pixels)
    residual = ((others - pca.inverse_transform(pca.transform(others))) ** 2).sum(1)
    assert scores["pca"].tolist() == pytest.approx(residual.tolist(), rel=1e-4)
    assert scores["mean"].tolist() == pytest.approx(np.linalg.norm(others - pixels.mean(0), axis=1).tolist(), rel=1e-4)
    assert scores["norm"].tolist() == pytest.approx(np.linalg.norm(others, axis=1).tolist(), rel=1e-4)


def test_the_forest_sets_far_examples_apart_and_leaves_the_generators_alone():
    state, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    scores = Baselines(2, 50, 200, seed=0).fitted(part(200, 0))
    far = Examples(torch.full((5, *SHAPE), 3.0), torch.zeros(5, dtype=torch.long), 1.0)
    assert scores["isolation_forest"](far).min() > scores["isolation_forest"](part(50, 1)).max()
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpys).all()


def test_data_of_another_shape_and_the_runs_own_are_not_read():
    others = {"wide": Elsewhere(shape=(1, 4, 5)), "same": Elsewhere(name="here")}
    with pytest.raises(NotApplicable, match="choose class_filter=one_class") as refusal:
        protocol(**others)(context(Oracle(lambda x: x.flatten(1)), AllClasses()))
    assert "\n" not in str(refusal.value) and ". " not in str(refusal.value)
    assert not any(other.read for other in others.values())


def test_a_kind_without_a_code_has_no_density_and_diverged_codes_are_refused():
    def none(x):
        raise NotApplicable("no code: choose another model")

    found = protocol()(context(Oracle(none), OneClass([0]))).metrics
    assert "squared_error_auroc" in found and "code_density_auroc" not in found
    with pytest.raises(NotApplicable, match="choose"):
        protocol()(context(Oracle(lambda x: x.flatten(1) / 0), OneClass([0])))


def test_the_pictures_name_all_scores_and_groups():
    result = protocol(elsewhere=Elsewhere())(context(Oracle(lambda x: x.flatten(1)), OneClass([0])))
    assert set(result.figures) == {"anomaly_scores", "anomaly_roc"}
    assert [axes.get_title() for axes in result.figures["anomaly_roc"].axes] == [HIDDEN, "elsewhere"]
    assert len(result.figures["anomaly_scores"].axes) == 3


@pytest.mark.parametrize("target_rate", [0.0, 1.0, 2.0])
def test_a_rate_that_is_none_is_refused(target_rate):
    with pytest.raises(UserError, match="choose"):
        protocol(target_rate=target_rate)
