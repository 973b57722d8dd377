"""The last line of a table, which is the mean over a key: by seed, and of the same values for each of them."""

import pytest

from aeexp.report.averages import MEAN, averaged
from aeexp.report.spec import Spec
from aeexp.report.table import table


def row(digit, seed, value, model="vae", metric="auroc"):
    run = f"{model}-{digit}-{seed}"
    known = {"digit": digit, "model": model, "seed": seed, "run": run, "state": "completed", "error": None}
    return {**known, "metric": metric, "value": value}


def spec(**changes):
    node = {"title": "t", "rows": ["digit"], "columns": ["model"], "metrics": {"auroc": {"better": "higher"}}}
    return Spec.of({**node, "average": "digit", **changes})


ROWS = [row(digit, seed, value) for (digit, seed), value in zip(
    [("[0]", "0"), ("[1]", "0"), ("[0]", "1"), ("[1]", "1")], [0.9, 0.7, 0.8, 0.4], strict=True
)]  # fmt: skip


def test_the_mean_is_over_the_key_and_the_deviation_over_seeds():
    found = {mean["seed"]: mean["value"] for mean in averaged(ROWS, [], ["digit", "model"], "digit")}
    assert found == pytest.approx({"0": 0.8, "1": 0.6})
    made = table(ROWS, [], spec(), spec().metrics[0])
    assert made.lines == [("[0]",), ("[1]",), (MEAN,)]
    assert made.body[-1] == [MEAN, "0.7000 ± 0.1414 (2)"]


def test_a_seed_that_lacks_a_value_is_left_out_and_kinds_and_metrics_stay_apart():
    more = [*ROWS[:3], row("[0]", "0", 0.1, "pca"), row("[1]", "0", 0.3, "pca"), row("[0]", "1", 9.0, metric="other")]
    found = [
        (mean["model"], mean["seed"], mean["metric"], mean["value"])
        for mean in averaged(more, [], ["digit", "model"], "digit")
    ]
    assert found == [("vae", "0", "auroc", pytest.approx(0.8)), ("pca", "0", "auroc", pytest.approx(0.2))]


def test_what_has_not_run_yet_keeps_the_mean_away():
    expected = [{"digit": "[2]", "model": "vae"}]
    assert averaged(ROWS, expected, ["digit", "model"], "digit") == []
    assert averaged([{**row("[0]", "0", None), "metric": None}], [], ["digit", "model"], "digit") == []


def test_a_published_mean_stands_beside_ours():
    entry = {"where": {"model": "vae", "digit": MEAN}, "metric": "auroc", "value": 0.75, "source": 1}
    made = table(ROWS, [], spec(published=[entry], sources={"1": "s"}), spec().metrics[0])
    assert made.body[-1][2:] == ["0.7500 [1]", "-0.0500", "-1.5008 to 2.9008: inside"]


def test_without_a_key_there_is_no_such_line():
    assert [line for (line,) in table(ROWS, [], spec(average=None), spec().metrics[0]).lines] == ["[0]", "[1]"]
