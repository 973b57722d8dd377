"""Which rows of a table are bold, and whether a published value fits."""

import re
from statistics import mean, stdev

import numpy as np
import pytest
from scipy.stats import t, ttest_rel
from stored_runs import SEEDS, TABLE, a_sweep, bold, config, finish, shown

from aeexp.report import ranking
from aeexp.report.cells import Cell
from aeexp.report.report import Report
from aeexp.report.spec import Metric
from aeexp.report.sweep import announce
from aeexp.runs.identity import directory
from aeexp.runs.run import Run


@pytest.fixture
def sweep(tmp_path):
    return a_sweep(tmp_path)


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_the_paired_test_is_scipys(n):
    one, other = np.random.default_rng(n).normal(size=(2, n))
    assert ranking.p_value(list(one), list(other)) == pytest.approx(ttest_rel(one, other).pvalue)
    assert ranking.p_value([1.0] * n, [1.0] * n) == 1
    assert ranking.p_value([1.0] * n, [2.0] * n) == 0


def measured(root, better, values, unranked=(), baselines=()):
    """A directory of one column with these values of some models, seed by seed."""
    metric = {"title": "accuracy, %", "better": better, "unranked": list(unranked)}
    announce(root / "s", {**TABLE, "metrics": {"probe/accuracy": metric}, "baselines": list(baselines)}, [])
    for model, row in values.items():
        for seed, value in row.items() if isinstance(row, dict) else enumerate(row):
            finish(root, model, 2, seed, float(value))
    return root / "s"


# deep is below vae by nearly the same in every seed, sparse is not: a test that does not pair would not see the first
VALUES = {"vae": [0.8, 0.5, 0.9, 0.7], "deep": [0.78, 0.485, 0.88, 0.68], "sparse": [0.9, 0.2, 0.95, 0.74]}


def test_the_best_and_all_that_a_paired_test_does_not_tell_from_it_are_marked(tmp_path):
    folder = measured(tmp_path, "higher", VALUES)
    assert (
        ttest_rel(VALUES["vae"], VALUES["deep"]).pvalue < ranking.LEVEL < ttest_rel(VALUES["vae"], VALUES["sparse"])[1]
    )
    assert bold(folder) == {("vae", "bottleneck 2"), ("sparse", "bottleneck 2")}
    text, latex = Report(folder).form("markdown"), Report(folder).form("latex")
    assert re.search(r"\| vae +\| \*\*0\.725 .* \(4\)\*\* \|", text.replace("0.7250", "0.725"))
    assert re.search(r"\| deep +\| 0\.", text)
    assert "paired t-test" in text
    assert (
        "With 4 seeds one such test tells only what is 1.6 standard deviations" in text
    )  # t(0.975; 3) / sqrt(4) = 3.18 / 2
    assert latex.count("\\textbf") == 2


def test_lower_is_better_where_the_table_says_so_and_what_is_unranked_does_not_compete(tmp_path):
    values = {"vae": VALUES["vae"], "deep": VALUES["deep"], "pca": [0.0] * 4}
    assert bold(measured(tmp_path, "lower", values, unranked=["pca"])) == {("deep", "bottleneck 2")}
    assert bold(measured(tmp_path, "higher", values)) == {("vae", "bottleneck 2")}
    assert bold(measured(tmp_path, "lower", values)) == {("pca", "bottleneck 2")}


def test_nothing_is_bold_under_three_seeds_and_what_has_fewer_is_not_ranked(tmp_path):
    assert bold(measured(tmp_path / "a", "higher", {"vae": [0.5, 0.6], "deep": [0.51, 0.7]})) == set()
    folder = measured(tmp_path / "b", "higher", {"vae": [0.5, 0.6, 0.7], "deep": [0.9, 0.9], "sparse": [0.1, 0.2, 0.3]})
    assert bold(folder) == {("vae", "bottleneck 2")}
    assert "fewer than 3 seeds, are not ranked" in Report(folder).form("markdown")


def test_without_common_seeds_nothing_is_told_apart(tmp_path):
    values = {"vae": {0: 0.5, 1: 0.6, 2: 0.7}, "deep": {3: 0.1, 4: 0.2, 5: 0.3}}
    folder = measured(tmp_path, "higher", values)
    assert bold(folder) == {("vae", "bottleneck 2"), ("deep", "bottleneck 2")}
    assert "none could be tested" in Report(folder).form("markdown")


def test_a_baseline_is_neither_best_nor_tested(tmp_path):
    values = {"vae": VALUES["vae"], "deep": VALUES["deep"], "pca": [0.99] * 4}
    folder = measured(tmp_path, "higher", values, baselines=["pca"])
    assert bold(folder) == {("vae", "bottleneck 2")}
    assert "Baselines" in Report(folder).form("markdown")


def reject_by_hand(p_values, level):
    """Holm (1979) as in its paper: adjusted p-values, made monotone."""
    order, highest, rejected = sorted(p_values, key=p_values.get), 0.0, set()
    for n, key in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - n) * p_values[key]))
        rejected |= {key} if highest <= level else set()
    return rejected


def test_holms_procedure_is_its_adjusted_p_values():
    generator = np.random.default_rng(0)
    for _ in range(200):
        p_values = dict(enumerate(generator.uniform(0, 0.1, generator.integers(1, 8))))
        assert ranking.holm(p_values) == reject_by_hand(p_values, ranking.LEVEL)
    assert ranking.holm({"a": 0.01, "b": 0.02, "c": 0.03}) == {"a", "b", "c"}
    assert ranking.holm({"a": 0.01, "b": 0.03, "c": 0.04}) == {"a"}  # 0.03 > 0.05 / 2
    assert ranking.holm({"a": 0.02, "b": 0.02, "c": 0.02}) == set()  # none is under 0.05 / 3


def test_holms_correction_is_over_the_column(tmp_path):
    """deep is worse than vae with p = 0.02: told apart alone, and not beside three more that are as near."""
    differences = np.array([0.1, 0.3, 0.2, 0.4])
    best = np.array([5.0, 6.0, 7.0, 8.0])
    assert ranking.LEVEL / 4 < ttest_rel(best, best - differences).pvalue < ranking.LEVEL
    few = {"vae": best, "deep": best - differences}
    assert bold(measured(tmp_path / "few", "higher", few)) == {("vae", "bottleneck 2")}
    more = {f"more_{n}": best - np.roll(differences, n) for n in range(1, 4)}
    assert len(bold(measured(tmp_path / "more", "higher", {**few, **more}))) == 5


def test_the_prediction_interval_covers_the_next_run_as_often_as_it_says():
    generator, inside = np.random.default_rng(0), 0
    for _ in range(2000):
        *runs, next_run = generator.normal(3.0, 2.0, 6)
        low, high = ranking.prediction_interval(Cell({str(n): x for n, x in enumerate(runs)}))
        inside += low <= next_run <= high
    assert inside / 2000 == pytest.approx(0.95, abs=0.015)
    values = [1.0, 2.0, 4.0]
    low, high = ranking.prediction_interval(Cell({str(n): x for n, x in enumerate(values)}))
    half = t.ppf(0.975, 2) * stdev(values) * (1 + 1 / 3) ** 0.5
    assert (low, high) == pytest.approx((mean(values) - half, mean(values) + half))
    assert ranking.prediction_interval(Cell({"0": 1.0})) is None


def test_a_metric_without_a_direction_marks_nothing_and_plain_names_have_one(tmp_path):
    assert bold(measured(tmp_path, None, VALUES)) == set()
    directions = {
        name: Metric.of(f"p/{name}").better for name in ("accuracy_0.01", "squared_error", "nats", "accuracy_std")
    }
    assert directions == {"accuracy_0.01": "higher", "squared_error": "lower", "nats": None, "accuracy_std": None}


def test_rows_of_another_data_set_do_not_compete(tmp_path):
    for seed in range(3):
        finish(tmp_path, "vae", 2, seed, 0.9 + seed / 100, **{"data.name": "digits"})
        finish(tmp_path, "deep", 2, seed, 0.8, **{"data.name": "digits"})
        finish(tmp_path, "vae", 2, seed, 0.5, **{"data.name": "mnist"})
        finish(tmp_path, "deep", 2, seed, 0.6 + seed / 100, **{"data.name": "mnist"})
    assert {row for row, _ in bold(tmp_path / "s")} == {"vae digits", "deep mnist"}


@pytest.mark.parametrize("away", [-5.1, -4.9, 4.9, 5.1])
def test_a_published_value_is_compared_with_the_interval_of_one_run(sweep, away):
    values = [100 * value for value in SEEDS.values()]
    half = t.ppf(0.975, 2) * (1 + 1 / 3) ** 0.5 * stdev(values)  # 4.97 standard deviations
    value = mean(values) + away * stdev(values)
    published = [{**TABLE["published"][0], "value": value / 100}]
    announce(sweep, {**TABLE, "published": published}, [])
    table = shown(sweep)
    assert table["vae"]["published, bottleneck 10"] == f"{value:.1f} [1]"
    assert table["vae"]["difference, bottleneck 10"] == f"{mean(values) - value:+.1f}"
    side = "inside" if abs(away) < 4.97 else "outside"
    interval = f"{mean(values) - half:.1f} to {mean(values) + half:.1f}: {side}"
    assert table["vae"]["95 % interval, bottleneck 10"] == interval
    assert table["pca"]["published, bottleneck 10"] == "—"
    assert "published, bottleneck 2" not in table["vae"]
    text = Report(sweep).form("markdown")
    assert "[1] a paper" in text
    assert "where one run at our settings lies" in text


def test_one_seed_says_nothing_about_whether_a_published_value_is_inside(sweep):
    where = {"model": "pca", "bottleneck": 2}
    announce(sweep, {**TABLE, "published": [{**TABLE["published"][0], "where": where}]}, [])
    assert shown(sweep)["pca"]["95 % interval, bottleneck 2"] == "—"


def test_without_an_announced_table_a_model_that_nothing_trains_is_a_baseline(tmp_path):
    for model, value, best in (("vae", 0.5, {"val/loss": 1.0}), ("deep", 0.3, {"val/loss": 1.0}), ("pca", 0.9, {})):
        for seed in range(3):
            given = config(tmp_path, model, 2, seed)
            run = Run(directory(given))
            with run.working(given):
                run.mark_trained({"best": best})
                metrics = {"probe/accuracy": value + seed / 100}
                run.add({"protocol": "probe", "settings": {}, "metrics": metrics}, {})
    assert Report(tmp_path / "s").spec.baselines == ["pca"]
    assert {row for row, _ in bold(tmp_path / "s")} == {"vae"}
