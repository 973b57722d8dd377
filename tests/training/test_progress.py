"""What a terminal shows of a training."""

import io
import multiprocessing
import re
import sys

import pytest
import pytorch_lightning as pl
from composing import composed
from rich.console import Console

from aeexp.app import session
from aeexp.app.cli import train_one
from aeexp.errors import UserError
from aeexp.runs.identity import directory
from aeexp.training.progress import Bar, EpochLines, progress

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"


def drawn(monkeypatch, tmp_path, width, *words):
    """Every line that the bar of a run of three epochs drew."""
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=width)
    monkeypatch.setattr(session, "progress", lambda name, alone: Bar(name, console))
    config = composed(
        "model=vae", "bottleneck=2", "trainer.max_epochs=3", "evaluation=[reconstruction]", f"runs={tmp_path}", *words
    )
    train_one(config)
    return terminal.getvalue(), directory(config).name


@pytest.mark.parametrize("width", [60, 120])
def test_a_bar_is_one_line_with_the_run_its_epoch_its_loss_and_the_time_left(monkeypatch, tmp_path, width):
    text, name = drawn(monkeypatch, tmp_path, width)
    lines = [line for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n").splitlines() if line]
    assert max(map(len, lines)) <= width
    assert re.search(r"epoch 3/3  val/loss \d+\.\d+ +━+ +\d\d:\d\d", lines[-1])
    assert lines[-1].startswith(name[:6])
    assert text.count(SHOWN) == text.count(HIDDEN) == 1


def test_a_training_that_fails_gives_the_cursor_back(monkeypatch, tmp_path):
    def break_off(*_):
        raise UserError("enough")

    monkeypatch.setattr("aeexp.training.task.Task.validation_step", break_off)
    text, _ = drawn(monkeypatch, tmp_path, 60)
    assert text.count(SHOWN) == text.count(HIDDEN) == 1


@pytest.mark.parametrize(
    ("terminal", "worker", "alone", "kind"),
    [
        (True, None, True, Bar),
        (True, None, False, Bar),
        (True, object(), False, pl.Callback),
        (False, None, True, EpochLines),
        (False, None, False, pl.Callback),
    ],
)
def test_one_process_draws_and_a_run_of_a_sweep_prints_nothing(monkeypatch, terminal, worker, alone, kind):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: worker)
    assert type(progress("run", alone)) is kind
