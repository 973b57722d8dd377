"""Model selection: the values of a grid that are best on validation data, and nothing else, make the table."""

import pytest

from aeexp.errors import UserError
from aeexp.report.choice import Choice, selected

NODE = {"metric": "probe/validation", "better": "higher", "grid": {"sparse": {"code.weight": [0.1, 1, 10]}}}
CHOICE = Choice.of(NODE)


def row(weight, seed, metric, value, model="sparse", size="2"):
    keys = {"model": model, "bottleneck": size, "code.weight": weight, "seed": seed, "run": f"{weight}-{seed}"}
    return keys | {"state": "completed", "error": None, "metric": metric, "value": value}


def grid(scores, size="2"):
    """The first seed's runs: of each weight the validation score, and a test score that is best where that is worst."""
    return [
        each
        for weight, score in scores.items()
        for each in (
            row(weight, "0", "probe/validation", score, size=size),
            row(weight, "0", "probe/test", 1 - score, size=size),
        )
    ]


def test_the_values_that_are_best_on_validation_data_stay_for_each_combination_of_the_keys():
    rows = [*grid({"0.1": 0.5, "1": 0.9, "10": 0.7}), *grid({"0.1": 0.8, "1": 0.2, "10": 0.7}, size="10")]
    kept, sentences = selected(rows, ["model", "bottleneck"], CHOICE)
    assert {(each["bottleneck"], each["code.weight"]) for each in kept} == {("2", "1"), ("10", "0.1")}
    (sentence,) = sentences
    assert "code.weight of 0.1, 1, 10" in sentence and "1 (2), 0.1 (10)" in sentence and NODE["metric"] in sentence


def test_the_other_seeds_do_not_choose():
    rows = [*grid({"0.1": 0.5, "1": 0.9, "10": 0.7}), row("10", "1", "probe/validation", 1.0)]
    kept, _ = selected(rows, ["model"], CHOICE)
    assert {each["code.weight"] for each in kept} == {"1"}


def test_the_lower_one_is_best_where_the_table_says_so():
    kept, _ = selected(grid({"0.1": 0.5, "1": 0.9}), ["model"], Choice.of({**NODE, "better": "lower"}))
    assert {each["code.weight"] for each in kept} == {"0.1"}


def test_a_model_without_a_grid_and_one_that_is_not_measured_yet_keep_their_rows():
    rows = [row("—", "0", "probe/test", 0.5, model="vae"), row("0.1", "0", None, None)]
    assert selected(rows, ["model"], CHOICE) == (rows, [])


@pytest.mark.parametrize("wrong", [{"better": "most"}, {"metrics": "x"}])
def test_a_choice_that_cannot_be_read_is_refused(wrong):
    with pytest.raises(UserError, match="choose a metric"):
        Choice.of({**NODE, **wrong})


def test_the_combinations_of_several_keys():
    both = Choice.of({**NODE, "grid": {"topk": {"code.k": [1, 2], "model.alpha": [0, 0.5]}}})
    assert both.overrides("topk")[1] == ["code.k=1", "model.alpha=0.5"] and len(both.overrides("topk")) == 4
    assert both.overrides("vae") == [[]]
