"""A user's mistake ends with one clear sentence and a non-zero code before anything runs, and nothing is damaged."""

import re
import subprocess
import sys

import pytest
from conftest import ROOT

from aeexp.app import cli, composing, session
from aeexp.app.check import check
from aeexp.app.sweep import points
from aeexp.errors import UserError
from aeexp.models.regularized import Regularized
from aeexp.types import Loss


@pytest.fixture
def refused(monkeypatch, tmp_path):
    """refused("model=spars") -> the sentence with which train.py ends before its first run."""

    def launch(*words, entry=cli.launch):
        place = [f"runs={tmp_path}"] if entry is cli.launch and "runs=" not in str(words) else []
        argv = ["train.py", *words, *place]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as stopped:
            entry(lambda: pytest.fail("the first run was started"))
        assert not [file for file in tmp_path.rglob("*") if file.is_file()]
        sentence = str(stopped.value)
        assert sentence.startswith("error: ")
        assert "\n" not in sentence
        return sentence

    return launch


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("model=spars", ["model=spars", "did you mean sparse", "beta_vae"]),
        ("bottleneck=0", ["bottleneck=0", "whole number from 1"]),
        ("bottleneck=wide", ["bottleneck=wide", "whole number from 1"]),
        ("modle=vae", ["modle", "did you mean model?"]),
        ("optimiser.lr=1", ["optimiser", "did you mean optimizer.lr?"]),
        ("trainer.max_epoch=1", ["did you mean trainer.max_epochs?"]),
        ("trainer.max_epochs=0", ["trainer.max_epochs", "at least 1"]),
        ("threads=0", ["threads", "at least 1"]),
        ("seed=99999999999999999999", ["seed", "0 to 4294967295"]),
        ("seed=-1", ["seed", "0 to 4294967295"]),
        ("hydra.job.chdir=true", ["hydra.job.chdir", "runs="]),
        ("~optimizer.lr", ["optimizer", "lr"]),
        ("~model", ["model"]),
        ("trainer.max_epoch=3", ["trainer.max_epoch", "max_epoch"]),
        ("+trainer.max_epoch=3", ["max_epoch", "max_epochs"]),
        ("+lrr=0.2", ["lrr", "nothing reads"]),
        ("+optimizer.lrr=0.2", ["optimizer", "lrr", "weight_decay"]),
        ("optimizer.lr=abc", ["optimizer.lr", "'abc'", "float"]),
        ("optimizer.lr=-1", ["optimizer", "-1"]),
        ("seed=abc", ["seed", "'abc'", "int"]),
        ("bottleneck.dim=0", ["bottleneck.dim", "at least 1"]),
        ("bottleneck.dim=a", ["bottleneck.dim", "'a'", "int"]),
        ("data.scale=255", ["likelihood=bernoulli", "data.scale=255", "likelihood=squared_error"]),
        ("network.widths=[a]", ["network.widths", "list[int]"]),
        ("code.activation=Relu", ["Relu", "ReLU"]),
        ("checkpoint=newest", ["newest", "best", "last"]),
        ("+evaluation.probe.C=1", ["evaluation.probe.C", "evaluation=[reconstruction,linear_probe]"]),
        ("evaluation=[nearest]", ["evaluation=nearest", "linear_probe"]),
        ("model._target_=os.system", ["os.system", "aeexp"]),
        ("=3", ["=3"]),
    ],
)
def test_a_wrong_word_is_named_with_what_would_be_right(refused, word, parts):
    sentence = refused(word)
    assert [part for part in parts if part not in sentence] == []


def test_a_combination_that_makes_no_sense_names_both_sides(refused):
    sentence = refused("network=conv", "network.pooled=[8,8,8,8]")
    assert [part for part in ("network=conv", "4 times", "8x8", "3 times", "network=mlp") if part not in sentence] == []
    sentence = refused("model=pca", "bottleneck=128")
    assert [part for part in ("model=pca", "64", "128") if part not in sentence] == []


def test_a_word_that_all_points_share_is_refused_before_hydra_sees_it(refused):
    assert "lrr" in refused("-m", "lrr=0.2", "seed=0,1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "part"), [(["model=undercomplete,pca", "bottleneck=1,128"], "model=pca"), (["bottleneck.dim=4,0"], "dim")]
)
def test_every_point_of_a_sweep_is_checked_before_its_first_run(program, tmp_path, words, part):
    done = program("train.py", "-m", *words, f"runs={tmp_path}")
    assert done.returncode == 1
    assert re.fullmatch(rf"error: .*{part}.*\n", done.stderr)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_data_that_is_not_there(refused, monkeypatch, tmp_path):
    def offline(*_, **__):
        raise RuntimeError("no network")

    monkeypatch.setattr("torchvision.datasets.MNIST.download", offline)
    sentence = refused("data=mnist", f"data.root={tmp_path}")
    parts = ("train-images-idx3-ubyte", str(tmp_path / "MNIST" / "raw"), "no network", "AEEXP_DATA", "data=digits")
    assert [part for part in parts if part not in sentence] == []


def test_a_place_that_cannot_be_written(refused, tmp_path):
    sentence = refused("runs=train.py")
    assert "runs=train.py cannot be written" in sentence
    assert "runs=" in sentence


def test_no_run_where_one_was_asked_for(refused, tmp_path):
    assert "holds no trained run" in refused(f"run={tmp_path}", entry=cli.launch_evaluation)
    assert "run=" in refused("evaluation=[reconstruction]", entry=cli.launch_evaluation)


@pytest.fixture
def trained(tmp_path):
    """A run on the digits, and its configuration."""
    words = [f"runs={tmp_path}", "trainer.max_epochs=2", "evaluation=[reconstruction]"]
    (point,) = points("train", words)
    config, run = point.config, point.run
    with run.working(config):
        session.train(run, config)
    return run, config


def test_a_checkpoint_cut_short_is_named_and_the_results_stay(trained):
    run, config = trained
    before = run.results
    for name in ("best.ckpt", "last.ckpt"):
        path = run.checkpoints / name
        path.write_bytes(path.read_bytes()[:1000])
    (more,) = points("train", [f"runs={config['runs']}", "trainer.max_epochs=2", "evaluation=[linear_probe]"])
    with pytest.raises(UserError, match=r"best\.ckpt cannot be read"):
        session.evaluate(run, more.config, threads=1)
    assert run.results == before


def test_a_loss_that_becomes_nan_stops_says_which_term_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    (point,) = points("train", [f"runs={tmp_path}", "trainer.max_epochs=4"])
    config, run = point.config, point.run
    good = Regularized.loss

    def loss(self, batch):
        if not (run.checkpoints / "last.ckpt").exists():
            return good(self, batch)
        return Loss({"recon": good(self, batch).terms["recon"], "penalty": self.decoder[0].weight.sum() * float("nan")})

    monkeypatch.setattr(Regularized, "loss", loss)
    with pytest.raises(UserError, match="penalty became nan in epoch 2"), run.working(config):
        session.train(run, config)
    kept = session.load(run.checkpoints / "last.ckpt")
    assert kept["epoch"] == 0
    assert all(weight.isfinite().all() for weight in kept["state_dict"].values())
    assert run.status["state"] == "failed"


@pytest.mark.parametrize("checkpoint", ["best", "last"])
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_loss_that_becomes_nan_in_validation_fails_the_run(tmp_path, monkeypatch, checkpoint, epoch):
    words = ["trainer.max_epochs=3", f"checkpoint={checkpoint}"]
    (point,) = points("train", [f"runs={tmp_path}", *words])
    config, run = point.config, point.run
    good = Regularized.loss

    def loss(self, batch):
        terms = good(self, batch).terms
        finite = self.training or (epoch == 2 and not (run.checkpoints / "last.ckpt").exists())
        return Loss({**terms, "penalty": terms["recon"] * (0.0 if finite else float("nan"))})

    monkeypatch.setattr(Regularized, "loss", loss)
    said = f"penalty became nan in epoch {epoch}, validation"
    with pytest.raises(UserError, match=said) as refusal, run.working(config):
        session.train(run, config)
    assert run.status["state"] == "failed"
    assert ("checkpoint is kept" in str(refusal.value)) == (run.checkpoints / "last.ckpt").exists() == (epoch == 2)


def test_two_thousand_runs_are_looked_at_in_seconds_for_a_few_compositions(monkeypatch):
    made, real = [], composing.compose
    monkeypatch.setattr(composing, "compose", lambda *words, **options: made.append(words) or real(*words, **options))
    words = ["model=vae,deep,sparse,pca", f"bottleneck={','.join(map(str, range(1, 51)))}", "optimizer.lr=0.1,0.01"]
    found = list(points("train", [*words, "seed=0,1,2,3,4"]))
    assert len(found) == 2000 and len(made) == 4
    for point in found[::667]:
        config = composing.composed("train", point.overrides)
        assert point.config == composing.settled(config, config.hydra)
        check(point.config)
    assert {point.config["bottleneck"]["dim"] for point in found} == {*range(1, 51)}
    assert len({point.run.path for point in found}) == 2000


@pytest.mark.slow
@pytest.mark.parametrize("words", [["seed=-1"], ["checkpoint=newest"], ["-m", "seed=0,1", "trainer.max_epochs=2,abc"]])
def test_a_number_that_cannot_be_is_refused_before_torch_is_imported(words):
    code = "import runpy, sys; sys.modules['torch'] = None; runpy.run_path('train.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "torch" not in done.stderr, done.stderr
