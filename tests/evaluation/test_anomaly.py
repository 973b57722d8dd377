"""Anomaly detection against oracles: a perfect, a worst and an uninformative detector; scores against scipy."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from labelled_oracle import Oracle
from oracles import UNIT
from scipy.spatial.distance import mahalanobis as by_scipy
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.metrics import f1_score
from sklearn.neighbors import LocalOutlierFactor

from aeexp.context.anomaly_scores import Baselines, mahalanobis
from aeexp.context.base import EvaluationContext
from aeexp.data.class_filters import AllClasses, LeaveOut, OneClass
from aeexp.data.examples import Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.anomaly import HIDDEN, Anomaly, detection_metrics
from aeexp.metrics.detection import f1
from aeexp.plots.detection import Scores

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
        name="here", class_filter=class_filter, train=train, val=val, test=test, shape=SHAPE, classes=CLASSES, **UNIT
    )
    return EvaluationContext(model, SimpleNamespace(**vars(data) | changes), None, "oracle")


def protocol(target_false_alarm_rate=0.1, **against):
    return Anomaly(against, target_false_alarm_rate, 4, baselines(), 0)


def baselines(components=2, trees=10):
    return Baselines(components, trees, neighbours=10, examples=200, seed=0)


def test_few_validation_examples_raise_the_target_to_what_they_guarantee():
    found = protocol(target_false_alarm_rate=0.001)(context(Oracle(lambda x: x.flatten(1)), OneClass([0]))).metrics
    assert found["target_false_alarm_rate"] == pytest.approx(1 / 31)
    assert (
        protocol(target_false_alarm_rate=0.1)(context(Oracle(lambda x: x.flatten(1)), OneClass([0]))).metrics[
            "target_false_alarm_rate"
        ]
        == 0.1
    )


def test_false_alarm_and_detection_rates_are_named_by_group():
    scores = Scores(np.arange(4.0), {HIDDEN: np.array([2.0, 9.0]), "far": np.array([9.0])})
    metrics = detection_metrics(scores, threshold=2.0)
    rates = ("threshold", "false_alarm_rate", "detection_rate", "detection_rate_far")
    assert [metrics[name] for name in rates] == [2, 0.25, 0.5, 1]


def test_the_distance_is_that_of_scipy_with_the_covariance_of_sklearn():
    codes = torch.randn(80, 3, generator=torch.Generator().manual_seed(0)) @ torch.tensor(
        [[1.0, 2, 0], [0, 1, 0], [1, 1, 3]]
    )
    fitted = LedoitWolf().fit(codes.double().numpy())
    expected = [by_scipy(z, fitted.location_, fitted.precision_) ** 2 for z in codes.double().numpy()]
    assert mahalanobis(codes)(codes).tolist() == pytest.approx(expected)


def test_a_change_of_a_constant_unit_is_far():
    codes = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 1.0, 0.0])
    usual, moved = mahalanobis(codes)(torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 2.0]]))
    assert moved > 3 * usual


class Blind(Oracle):
    """Reconstructs normal examples exactly and anomalous ones as black: a perfect and, inverted, a worst detector."""

    def __init__(self, anomalous):
        super().__init__(lambda x: x.flatten(1), lambda x: x.where(~anomalous(x)[:, None, None, None], 0))


def brighter(x):
    return x.flatten(1).min(1).values >= 0.5


def test_a_perfect_detector_detects_all_of_another_data_set_whatever_its_scale():
    found = protocol(elsewhere=Elsewhere())(context(Blind(brighter), AllClasses())).metrics
    for score in ("squared_error", "nats"):
        assert found[f"{score}_auroc_elsewhere"] == found[f"{score}_detection_rate_elsewhere"] == 1
        assert found[f"{score}_average_precision_elsewhere"] == pytest.approx(1)
        assert found[f"{score}_fpr95_elsewhere"] == found[f"{score}_false_alarm_rate"] == 0
    assert found["norm_auroc_elsewhere"] > 0.9
    assert "squared_error_auroc" not in found


def test_a_worst_and_an_uninformative_detector():
    worst = protocol(elsewhere=Elsewhere())(context(Blind(lambda x: ~brighter(x)), AllClasses())).metrics
    assert worst["squared_error_auroc_elsewhere"] == 0
    assert worst["squared_error_fpr95_elsewhere"] == 1
    nothing = protocol(elsewhere=Elsewhere())(context(Oracle(lambda x: torch.ones(len(x), 2)), AllClasses())).metrics
    assert nothing["squared_error_auroc_elsewhere"] == nothing["code_density_auroc_elsewhere"] == 0.5
    assert nothing["squared_error_detection_rate_elsewhere"] == nothing["squared_error_false_alarm_rate"] == 0


@pytest.mark.parametrize("class_filter", [OneClass([1]), LeaveOut([0, 2])], ids=["one_class", "leave_out"])
def test_hidden_classes_are_anomalous_and_unlabelled_examples_are_neither(class_filter):
    def marked(x):
        return x[:, 0, 0, 0] == 0

    asked = context(Blind(marked), class_filter)
    asked.data.test.x[:, 0, 0, 0] = (asked.data.test.y == 1).float()
    asked.data.test.y[3:60:3] = -1  # of class 0, and would score as anomalous
    asked.data.test.y[4:61:3] = -1  # of class 1, and would score as normal
    found = protocol()(asked).metrics
    assert found["squared_error_auroc"] == found["squared_error_detection_rate"] == 1
    assert found["squared_error_false_alarm_rate"] == 0


def test_the_density_of_the_code_detects_what_changes_the_code_alone():
    asked = context(Oracle(lambda x: x[:, 0, 0, :2] * 10 ** brighter(x)[:, None]), AllClasses())
    found = protocol(elsewhere=Elsewhere())(asked).metrics
    assert found["code_density_auroc_elsewhere"] > 0.99
    assert found["squared_error_auroc_elsewhere"] == 0.5


def test_baselines_are_those_of_sklearn_and_of_the_pixels():
    train, test = part(200, 0), part(50, 1)
    scores = {name: score(test) for name, score in baselines().fit(train).items()}
    pixels, others = train.x.flatten(1).double().numpy(), test.x.flatten(1).double().numpy()
    pca = PCA(2).fit(pixels)
    residual = ((others - pca.inverse_transform(pca.transform(others))) ** 2).sum(1)
    assert scores["pca"].tolist() == pytest.approx(residual.tolist(), rel=1e-4)
    assert scores["mean"].tolist() == pytest.approx(np.linalg.norm(others - pixels.mean(0), axis=1).tolist(), rel=1e-4)
    assert scores["norm"].tolist() == pytest.approx(np.linalg.norm(others, axis=1).tolist(), rel=1e-4)
    local = LocalOutlierFactor(10, novelty=True).fit(pixels)
    assert scores["local_outlier_factor"].tolist() == pytest.approx((-local.score_samples(others)).tolist(), rel=1e-4)


def test_pca_of_as_many_components_as_numbers_leaves_a_residual():
    train, test = part(200, 0), part(50, 1)
    residual = baselines(components=100).fit(train)["pca"](test)
    pixels, others = train.x.flatten(1).double().numpy(), test.x.flatten(1).double().numpy()
    least = PCA(15).fit(pixels)
    assert residual.tolist() == pytest.approx(
        ((others - least.inverse_transform(least.transform(others))) ** 2).sum(1).tolist(), rel=1e-2, abs=1e-5
    )


def test_f1_is_sklearns_at_the_threshold():
    normal, anomalous = np.random.default_rng(0).normal(0, 1, 90), np.random.default_rng(1).normal(1.5, 1, 40)
    truth, scores = np.repeat([0, 1], [90, 40]), np.concatenate([normal, anomalous])
    for threshold in (-9.0, 0.0, 1.0, 9.0):
        assert f1(normal, anomalous, threshold) == pytest.approx(f1_score(truth, scores > threshold, zero_division=0))


def test_the_isolation_forest_scores_far_examples_higher_and_leaves_the_generators_alone():
    state, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    scores = baselines(trees=50).fit(part(200, 0))
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


def test_a_model_without_a_code_has_no_density_and_diverged_codes_are_refused():
    def none(x):
        raise NotApplicable("no code: choose another model")

    found = protocol()(context(Oracle(none), OneClass([0]))).metrics
    assert "squared_error_auroc" in found and "code_density_auroc" not in found
    with pytest.raises(NotApplicable, match="choose"):
        protocol()(context(Oracle(lambda x: x.flatten(1) / 0), OneClass([0])))


def test_the_figures_name_all_scores_and_groups():
    result = protocol(elsewhere=Elsewhere())(context(Oracle(lambda x: x.flatten(1)), OneClass([0])))
    assert set(result.figures) == {"anomaly_scores", "anomaly_roc"}
    assert [axes.get_title() for axes in result.figures["anomaly_roc"].axes] == [HIDDEN, "elsewhere"]
    assert len(result.figures["anomaly_scores"].axes) == 3


@pytest.mark.parametrize("shape", [(16,), (8, 2)], ids=str)
def test_of_series_the_largest_errors_are_drawn_where_they_are(shape):
    model = Oracle(lambda x: x.flatten(1), image=lambda x: x.where(x < 0.99, 0.0))  # an error at each large number
    of_images = context(model, OneClass([0])).data
    parts = {
        name: Examples(one.x.reshape(-1, *shape), one.y, 1.0)
        for name, one in (("train", of_images.train), ("val", of_images.val), ("test", of_images.test))
    }
    parts["test"].x[7].fill_(1.0)
    figure = protocol()(context(model, OneClass([0]), shape=shape, **parts)).figures["anomaly_series"]
    charts, bands = figure.axes[:6], figure.axes[6:]
    assert charts[0].get_ylabel() == "7 (1)" and [axes.get_ylabel()[-3:] for axes in charts[4:]] == ["(0)", "(0)"]
    for axes in charts:
        curves = np.stack([line.get_ydata() for line in axes.lines], 1)
        x, restored = curves[:, : curves.shape[1] // 2], curves[:, curves.shape[1] // 2 :]
        assert ((x != restored) == (x >= 0.99)).all()
    heights = [band.collections[0].get_paths()[0].vertices[:, 1].max() for band in bands]
    assert heights[0] == pytest.approx(np.prod(shape[1:], initial=1)) and max(heights) == heights[0]


@pytest.mark.parametrize("target_false_alarm_rate", [0.0, 1.0, 2.0])
def test_a_rate_outside_0_and_1_is_refused(target_false_alarm_rate):
    with pytest.raises(UserError, match="choose"):
        protocol(target_false_alarm_rate=target_false_alarm_rate)
