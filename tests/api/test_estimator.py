"""The transformer keeps all that scikit-learn asks of an estimator."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from aeexp.api.sklearn import AutoencoderTransformer

MODELS = [
    AutoencoderTransformer(model, bottleneck=dim, max_epochs=2)
    for model, dim in (("undercomplete", 2), ("vae", 1), ("denoising", 3))
]


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@parametrize_with_checks(MODELS)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_the_linear_kind_is_scikit_learns_pca(digits):
    X = digits[0] - 7
    ours, theirs = AutoencoderTransformer("pca", bottleneck=5).fit(X), PCA(5).fit(X)
    signs = np.sign((ours.transform(X) * theirs.transform(X)).sum(0))
    span = X.max() - X.min()
    np.testing.assert_allclose(ours.transform(X) * signs * span, theirs.transform(X), atol=1e-3)
    restored = theirs.inverse_transform(theirs.transform(X))
    np.testing.assert_allclose(ours.inverse_transform(ours.transform(X)), restored, atol=1e-3)
    assert ours.score(X) == pytest.approx(-((X - restored) ** 2).sum(1).mean(), rel=1e-5)


def test_the_units_of_the_data_change_nothing(digits):
    X = digits[0][:300]
    one = AutoencoderTransformer("denoising", bottleneck=3, max_epochs=2).fit(X)
    other = AutoencoderTransformer("denoising", bottleneck=3, max_epochs=2).fit(100 * X - 800)
    np.testing.assert_allclose(one.transform(X), other.transform(100 * X - 800), rtol=1e-3, atol=1e-4)
    back = one.inverse_transform(one.transform(X))
    np.testing.assert_allclose(100 * back - 800, other.inverse_transform(other.transform(100 * X - 800)), atol=0.5)


def test_training_longer_brings_the_data_back_better(digits):
    X, faster = digits[0][:500], ["optimizer.lr=0.005"]
    scores = [AutoencoderTransformer(max_epochs=n, overrides=faster).fit(X).score(X) for n in (1, 4, 16)]
    assert all(a < b for a, b in pairwise(scores))


def test_a_pipeline_is_searched_over_the_width_of_the_code(digits):
    X, y = digits[0][:400], digits[1][:400]
    pipeline = make_pipeline(AutoencoderTransformer("pca"), LogisticRegression(max_iter=2000))
    search = GridSearchCV(pipeline, {"autoencodertransformer__bottleneck": [1, 8]}, cv=2).fit(X, y)
    assert search.best_params_ == {"autoencodertransformer__bottleneck": 8}
    assert search.best_score_ > 0.8
    alone = GridSearchCV(AutoencoderTransformer("pca"), {"bottleneck": [1, 8]}, cv=2).fit(X)  # by the squared error
    assert alone.best_params_ == {"bottleneck": 8}


def test_rows_may_be_images(digits):
    X = digits[0][:200]
    words = ("network.pooled=[4]", "network.flat=[4]")
    estimator = AutoencoderTransformer("conv", bottleneck=3, max_epochs=1, shape=(1, 8, 8), overrides=words).fit(X)
    assert estimator.transform(X).shape == (200, 3)
    assert estimator.inverse_transform(estimator.transform(X)).shape == X.shape
    assert list(estimator.get_feature_names_out()) == [f"autoencodertransformer{n}" for n in range(3)]
    tokens = AutoencoderTransformer("masked", bottleneck=2, max_epochs=1, shape=(1, 8, 8)).fit(X)  # (4, 2) each
    assert tokens.transform(X).shape == (200, 8)
    assert tokens.inverse_transform(tokens.transform(X)).shape == X.shape


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "variational"},
        {"model": "vae,pca"},
        {"model": "pca", "bottleneck": 100},
        {"bottleneck": 0},
        {"shape": (1, 9, 9)},
        {"overrides": ("optimizer.lrate=1",)},
        {"model": "conv"},
    ],
    ids=str,
)
def test_what_does_not_go_together_is_said_in_a_sentence(wrong, digits):
    with pytest.raises(ValueError, match=r"^[^\n]{20,}$"):
        AutoencoderTransformer(**wrong).fit(digits[0])


def test_codes_of_another_width_are_refused(digits):
    estimator = AutoencoderTransformer("pca", bottleneck=3).fit(digits[0])
    with pytest.raises(ValueError, match="3 wide, but got 4"):
        estimator.inverse_transform(np.zeros((2, 4)))


def test_nothing_else_is_touched(digits, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    estimator = AutoencoderTransformer("vae", bottleneck=2, max_epochs=1).fit(digits[0])
    codes = estimator.transform(digits[0])
    estimator.inverse_transform(codes)
    assert torch.equal(torch.rand(3), expected)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(estimator)).transform(digits[0]), codes)


def test_the_seed_decides(digits):
    one, same, other = (
        AutoencoderTransformer("vae", bottleneck=2, max_epochs=1, seed=seed).fit_transform(digits[0][:200])
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_early_stopping_ends_the_training_by_what_every_example_is_trained_on():
    X = np.random.default_rng(0).random((60, 5)).astype(np.float32)
    watched = ("schedule=early_stopping", "schedule.early_stopping.monitor=train/recon")
    stop = (*watched, "schedule.early_stopping.min_delta=1000", "schedule.early_stopping.patience=2")
    short, three = (
        AutoencoderTransformer("undercomplete", 2, max_epochs=n, overrides=words).fit(X)
        for n, words in ((50, stop), (3, ()))
    )
    np.testing.assert_array_equal(short.transform(X), three.transform(X))
    with pytest.raises(ValueError, match="watches val/loss, but every example is trained on: choose"):
        AutoencoderTransformer("undercomplete", 2, overrides=("schedule=early_stopping",)).fit(X)


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"overrides": "network=conv"}, "is one text: choose"),
        ({"overrides": ("optimizer.lr=1e30",), "max_epochs": 3}, "became nan in epoch 2, step 2: training stopped; a"),
        ({"model": "vaee"}, "did you mean vae?"),
        ({"overrides": ("network=convv",)}, "did you mean conv?"),
    ],
    ids=str,
)
def test_what_cannot_be_fitted_is_one_sentence(settings, part):
    with pytest.raises(ValueError) as refusal:
        AutoencoderTransformer(**{"model": "vae", "bottleneck": 2, "max_epochs": 1, **settings}).fit(np.eye(9))
    assert part in str(refusal.value) and "\n" not in str(refusal.value)
