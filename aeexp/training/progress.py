"""What is seen of a training: a bar in a terminal, a line an epoch elsewhere."""

import logging
import multiprocessing
import os
import sys
import warnings
from contextlib import nullcontext
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.profilers import PassThroughProfiler
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

NOTHING = nullcontext()


class EpochLines(pl.Callback):
    """One line an epoch: the mean of every term."""

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._print(trainer)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._print(trainer)

    def _print(self, trainer: pl.Trainer) -> None:
        metrics = trainer.callback_metrics
        if metrics and trainer.is_global_zero:
            terms = "  ".join(f"{name} {metrics[name].item():.5g}" for name in sorted(metrics))
            print(f"epoch {trainer.current_epoch}/{trainer.max_epochs}  {terms}", flush=True)


class Bar(pl.Callback):
    """One line of any width: the run, its epoch, the validation loss of the last one, and the time left.

    Lightning's own takes two lines of a narrow terminal, and reads every metric at every step.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        """`console` None: the terminal."""
        name = TextColumn("{task.fields[title]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1))
        columns = (name, TextColumn("{task.description}"), BarColumn(12), TimeRemainingColumn(compact=True))
        self.shown, self.title = Progress(*columns, console=console, transient=True, expand=True), title

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        steps = trainer.num_training_batches * (trainer.max_epochs or 1)
        self.bar = self.shown.add_task("", total=steps, completed=trainer.global_step, title=self.title)
        self.shown.start()

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        loss = trainer.callback_metrics.get("val/loss")
        last = "" if loss is None else f"  val/loss {loss.item():.5g}"
        self.shown.update(self.bar, description=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}{last}")

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        self.shown.advance(self.bar)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.shown.stop()

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self.shown.stop()  # which shows the cursor again


class NoProfiler(PassThroughProfiler):
    """Lightning's own makes a generator for each of forty hooks a step, a tenth of a step at batch 10."""

    def profile(self, action_name: str) -> Any:
        return NOTHING


def progress(run: str, alone: bool) -> pl.Callback:
    """A bar in a terminal. Elsewhere a line an epoch, and nothing of a run of a sweep, which has a line for each.

    The processes of a sweep share one terminal, so that none of them draws there.
    """
    if sys.stdout.isatty() and multiprocessing.parent_process() is None:
        return Bar(run)
    return EpochLines() if alone else pl.Callback()


def quiet() -> None:
    """Without Lightning's tips, and its warnings that a user can do nothing about, by name."""
    # Lightning sets this for processes that fork after CUDA has started, which none does here. Without a GPU it makes
    # every step of Adam look for NVIDIA's library on the disk, a tenth of a step at batch 10.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # the data are in memory
        ".*isinstance.treespec, LeafSpec.* is deprecated.*",  # Lightning's own use of torch
        ".*`srun` command is available.*",  # a launcher uses it
    ):
        warnings.filterwarnings("ignore", message)
