"""The replay of the book's numbers: what a row draws does not depend on whether it is trained."""

from dataclasses import replace

import numpy as np
import pytest
import replay
import torch
from conftest import REAL_DATA


@pytest.fixture
def small(monkeypatch):
    for name, value in {"TRAIN": 40, "VAL": 20, "TEST": 20, "FEW": 20}.items():
        monkeypatch.setattr(replay, name, value)
    generator = torch.Generator().manual_seed(0)
    return torch.rand(80, 784, dtype=torch.float64, generator=generator), torch.arange(80) % 10


@pytest.mark.parametrize("row", replay.ROWS, ids=lambda row: row.name)
def test_a_row_that_is_left_out_draws_the_same(row, small):
    trained, skipped = np.random.RandomState(5), np.random.RandomState(5)
    lines = replay.replayed(row, trained, *small, skip=False)
    assert replay.replayed(row, skipped, *small, skip=True) == []
    assert trained.randint(2**31) == skipped.randint(2**31)
    assert len(lines) == len(row.costs) + 1
    assert all(line.startswith(f"| {row.name} | ") and line.count("|") == 5 for line in lines)


def test_a_frozen_encoder_does_not_move_in_the_second_phase(small, monkeypatch):
    made, layers = [], replay.layers
    monkeypatch.setattr(replay, "layers", lambda *given, **options: made.append(layers(*given, **options)) or made[-1])
    ends = {}
    for row in replay.ROWS:
        if row.name in ("auto_1", "auto_fix"):
            replay.replayed(replace(row, reports=2, costs={}), np.random.RandomState(5), *small, skip=False)
            ends[row.name] = made[-3][0].weight.detach()  # of the encoder; decoder and head follow it
            learned = layers(np.random.RandomState(5), [784, 10], last_is_linear=False)[0].weight
            assert not torch.equal(ends[row.name], learned)
    assert not torch.equal(*ends.values())


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.skipif(not REAL_DATA.exists(), reason="the real data are not here")
def test_what_the_source_prints_of_480_labels_is_replayed(capsys):
    replay.main(str(REAL_DATA), ["mlp_1p"])
    assert "| mlp_1p | test accuracy | 0.684 | 0.684 |" in capsys.readouterr().out
