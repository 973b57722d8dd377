"""What is seen of a training: a bar in a terminal, a line an epoch elsewhere."""

import logging
import os
import sys
import warnings
from contextlib import nullcontext
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.profilers import PassThroughProfiler

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


class Bar(RichProgressBar):
    """Without the metrics, which do not fit beside a bar."""

    def get_metrics(self, *_: Any) -> dict[str, Any]:
        return {}


class NoProfiler(PassThroughProfiler):
    """Lightning's own makes a generator for each of forty hooks a step, a tenth of a step at batch 10."""

    def profile(self, action_name: str) -> Any:
        return NOTHING


def progress() -> pl.Callback:
    return Bar(refresh_rate=20, leave=False) if sys.stdout.isatty() else EpochLines()


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
