"""A user's own files are a part of a run's identity, whatever their names; and pixels of 0 and 1."""

import shutil

import numpy as np
import pytest
import torch
from composing import configured
from PIL import Image

from aeexp.app.components import make_data
from aeexp.app.sweep import points
from aeexp.data.examples import binary
from aeexp.runs.identity import identity
from aeexp.runs.run import find


def folder_of(root, values):
    """Two files with the class's gray value, in folders of classes."""
    for name, value in zip("ab", values, strict=True):
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), value).save(root / name / "0.png")


def array_of(root, values):
    np.save(root / "x.npy", np.full((20, 4), values[0] / 255, np.float32))
    np.save(root / "y.npy", np.arange(20) % 2)


def series_of(root, values):
    rows = "\n".join(f"1 {values[0]} {values[1]}" for _ in range(20))
    (root / "train.txt").write_text(rows)
    (root / "test.txt").write_text(rows)


OWN = {
    "array": (array_of, ["data=array", "data.source.x=x.npy", "data.source.y=y.npy"]),
    "folder": (folder_of, ["data=folder", "data.source.path=."]),
    "series": (
        series_of,
        ["data=ecg5000", "data.source.train=train.txt", "data.source.test=test.txt", "data.source.range=[0,255]"],
    ),
}


def identity_of(root, words):
    from aeexp.app.sweep import _content

    _content.cache_clear()  # which holds for one command
    (point,) = points("train", [*words, f"data.root={root}"])
    return identity(point.config)


@pytest.mark.parametrize("name", OWN)
def test_other_files_of_the_same_names_are_another_run_and_the_same_elsewhere_the_same(name, tmp_path):
    make, words = OWN[name]
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    make(here, (10, 20))
    first = identity_of(here, words)
    shutil.copytree(here, there)
    assert identity_of(there, words) == first
    make(here, (11, 20))
    assert identity_of(here, words) != first
    make(here, (10, 20))
    assert identity_of(here, words) == first


def test_published_data_and_missing_files_have_no_digest(tmp_path):
    assert "content" not in configured("data=digits")["data"]
    (point,) = points("train", ["data=array", "data.source.x=none.npy", f"data.root={tmp_path}"])
    assert "content" not in point.config["data"]


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [("data", "binarize", "static"), ("data", "labelled", 5), ("trainer", "precision", "bf16-mixed")],
)
def test_a_key_that_older_runs_lack_changes_their_identity_only_where_it_is_used(group, key, value):
    config = configured("data=digits")
    before = {**config, group: {name: kept for name, kept in config[group].items() if name != key}}
    assert len(before[group]) < len(config[group])
    assert identity(config) == identity(before)
    assert identity(configured("data=digits", f"{group}.{key}={value}")) != identity(config)


@pytest.mark.slow
def test_finished_runs_are_not_measured_on_other_files(program, tmp_path):
    array_of(tmp_path, (10, 0))
    words = ["data=array", "data.source.x=x.npy", f"data.root={tmp_path}", "data.test=0.2", "model=mean"]
    words += ["evaluation=[reconstruction]", f"runs={tmp_path}/runs"]
    assert program("train.py", *words).returncode == 0
    (run,) = find(tmp_path / "runs")
    array_of(tmp_path, (200, 0))
    refused = program("evaluate.py", f"run={run.path}", "evaluation=[extremes]")
    assert refused.returncode != 0
    assert "are not those that this run was trained on" in refused.stderr + refused.stdout
    assert program("train.py", *words).returncode == 0
    assert len(find(tmp_path / "runs")) == 2
    assert run.metrics == find(run.path)[0].metrics


# pixels of 0 and 1


def data_of(*words):
    data = make_data(configured("data=digits", *words))
    data.setup()
    return data


def test_a_pixel_is_1_as_often_as_it_is_gray():
    gray = torch.tensor([0, 64, 128, 255], dtype=torch.uint8).expand(4000, 4)
    drawn = binary(gray, 255, torch.Generator().manual_seed(1))
    assert drawn.dtype == torch.uint8 and set(drawn.unique().tolist()) == {0, 255}
    assert (drawn.double().mean(0) / 255 - gray[0] / 255).abs().max() < 0.04  # five deviations
    assert (drawn[:, 0] == 0).all() and (drawn[:, 3] == 255).all()


@pytest.mark.parametrize("how", ["static", "dynamic"])
def test_all_that_is_measured_is_drawn_once_and_alike_for_every_seed(how):
    first, again, other = (data_of(f"data.binarize={how}", f"seed={seed}") for seed in (0, 0, 1))
    for part in ("train", "val", "test"):
        x = getattr(first, part)[torch.arange(100)].x
        assert set(x.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(x, getattr(again, part)[torch.arange(100)].x)
    assert {tuple(x.flatten().tolist()) for x in first.test.x} & {tuple(x.flatten().tolist()) for x in other.train.x}


class Training:
    world_size, global_rank, training = 1, 0, True


def test_dynamic_pixels_are_drawn_anew_in_training_alone():
    data = data_of("data.binarize=dynamic")
    data.trainer = Training()
    gray = next(iter(data.train_dataloader()))
    assert len(gray.x.unique()) > 2
    torch.manual_seed(0)
    a, b = (data.on_after_batch_transfer(gray, 0).x for _ in range(2))
    assert set(a.unique().tolist()) == {0.0, 1.0} and not torch.equal(a, b)
    often = torch.stack([data.on_after_batch_transfer(gray, 0).x for _ in range(400)]).mean(0)
    assert (often - gray.x).abs().max() < 0.15
    data.trainer.training = False
    assert torch.equal(data.on_after_batch_transfer(gray, 0).x, gray.x)


def test_static_pixels_are_trained_on_as_they_are():
    data = data_of("data.binarize=static")
    data.trainer = Training()
    x = next(iter(data.train_dataloader()))
    assert set(x.x.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(data.on_after_batch_transfer(x, 0).x, x.x)


def test_another_word_is_refused():
    from aeexp.app.check import check
    from aeexp.errors import UserError

    with pytest.raises(UserError, match="binarize"):
        check(configured("data=digits", "data.binarize=twice"))


def test_files_at_an_absolute_path_are_told_apart_in_the_same_way(tmp_path):
    def of(place, value):
        folder_of(tmp_path / place, (value, 20))
        return identity_of(tmp_path / "root", ["data=folder", f"data.source.path={tmp_path / place}"])

    first = of("here", 10)
    assert of("here", 30) != first
    (point,) = points("train", ["data=folder", f"data.source.path={tmp_path / 'here'}"])
    assert point.config["data"]["content"]
