"""Windows of a long series: which instants are in which, what is trained on, what is refused."""

import numpy as np
import pandas
import pytest
import torch
from composing import refusal
from conftest import same

from aeexp.data.module import DataModule
from aeexp.data.windows import Windows


@pytest.fixture
def folder(tmp_path):
    t = np.arange(100.0)
    fault = ((t >= 20) & (t < 23)) | ((t >= 70) & (t < 75))
    table = pandas.DataFrame({"speed": t, "load": np.cos(t), "constant": 7.0, "fault": fault.astype(int)})
    table.to_csv(tmp_path / "a.csv", index=False)
    table[:30].to_csv(tmp_path / "short.csv", index=False)
    table[["speed", "fault"]].to_csv(tmp_path / "narrow.csv", index=False)
    return tmp_path


def windows(**options):
    given = {"path": "a.csv", "test_path": None, "label": "fault", "window": 8, "stride": 3, "val": 0.2, "test": 0.4}
    return Windows(**{**given, **options})


def test_the_last_part_is_tested_and_no_window_leaves_its_part(folder):
    source = windows(label=None)
    (x, y), (test, test_y) = source.load(folder)
    val, _ = source.load_val(folder)
    assert source.describe(folder) == ([8, 4], 0, True, 1, ())
    assert x.dtype == torch.float32 and set(y.tolist()) == set(test_y.tolist()) == {-1}
    # 100 instants: 40 are tested, a fifth of 60 validated
    mean, deviation = np.arange(48).mean(), np.arange(48).std()
    for part, first, last in ((x, 0, 48), (val, 48, 60), (test, 60, 100)):
        instants = (part[:, :, 0] * deviation + mean).round().int()
        assert torch.equal(instants, instants[:, :1] + torch.arange(8))
        assert sorted({*instants.flatten().tolist()}) == [*range(first, last)]  # all of them, and no other
        assert (instants[:-1, 0].diff() == 3).all()


def test_columns_are_standardised_by_the_training_instants(folder):
    source = windows(label=None, stride=8)
    (x, _), _ = source.load(folder)
    seen = x.flatten(0, 1)
    assert len(seen) == 48
    same(seen[:, :2].mean(0), torch.zeros(2), rtol=0, atol=1e-6)
    same(seen[:, :2].std(0, correction=0), torch.ones(2), rtol=1e-5, atol=0)
    assert (seen[:, 2] == 0).all()  # a column that never changes


def test_windows_with_an_anomalous_instant_are_not_trained_on(folder):
    source = windows()
    (x, _), (test, _) = source.load(folder)
    starts = (x[:, 0, 0] * np.arange(48).std() + np.arange(48).mean()).round().int().tolist()
    assert x.shape[2] == 3
    assert starts == [s for s in (*range(0, 41, 3), 40) if s + 8 <= 20 or s >= 23]
    found = source.instants(folder)
    assert found.anomalous.nonzero()[:, 0].tolist() == [*range(10, 15)]  # of the last 40
    assert found.starts.tolist() == [*range(0, 33, 3), 32] and len(test) == len(found.starts)
    assert found.val_starts.tolist() == [0, 3, 4]


def test_a_test_series_of_its_own(folder):
    source = windows(test_path="short.csv", val=0.5)
    assert source.load(folder)[1][0].shape == (9, 8, 3)
    assert source.instants(folder).anomalous.sum() == 3
    assert source.files(folder) == [folder / "a.csv", folder / "short.csv"]


def test_what_has_no_windows_is_refused(folder):
    for options in ({"window": 1}, {"stride": 9}, {"stride": 0}):
        assert "so that each instant is in a window" in refusal(lambda options=options: windows(**options))
    assert "choose between 0 and 1" in refusal(lambda: windows(val=0))
    assert "a part of 12 instants has no window" in refusal(windows(window=13).prepare, folder)
    assert "has 1 columns, but the training series 3" in refusal(windows(test_path="narrow.csv").prepare, folder)
    assert "no column failure" in refusal(windows(label="failure").prepare, folder)
    assert "is not there" in refusal(windows(path="b.csv").prepare, folder)
    table = pandas.read_csv(folder / "a.csv")
    table.assign(fault=1).to_csv(folder / "broken.csv", index=False)
    assert "has an anomalous instant" in refusal(windows(path="broken.csv").load, folder)
    table.loc[4, "load"] = np.nan
    table.to_csv(folder / "gap.csv", index=False)
    assert "cells that are missing" in refusal(windows(path="gap.csv").prepare, folder)


def test_a_data_module_keeps_the_order_of_time(folder):
    def module(test):
        made = DataModule("windows", windows(), str(folder), None, None, None, 1, 0.2, test, 0, 1.0, False, 0, 4)
        made.setup()
        return made

    data = module(None)
    assert not data.bounded and data.shape == (8, 3)
    assert torch.equal(data.test.x, windows().load(folder)[1][0]) and torch.equal(
        data.val.x, windows().load_val(folder)[0]
    )
    assert data.instants.anomalous.sum() == 5
    assert module(0.2).instants is None  # test windows that are drawn are no series
