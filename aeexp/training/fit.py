"""The one place that makes a Trainer and runs it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from aeexp.training.progress import NoProfiler
from aeexp.training.task import Task


def fit(
    make: Callable[..., pl.Trainer], task: Task, checkpoint: Path | None, data: dict[str, Any], **options: Any
) -> None:
    """Trains the task on `data` (datamodule, or train_dataloaders and val_dataloaders), from `checkpoint` if not None.

    `make` gets the trainer's arguments. KeyboardInterrupt where the training was interrupted, which Lightning hides.
    """
    trainer = make(
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=0,  # the task logs once an epoch
        profiler=NoProfiler(),
        use_distributed_sampler=False,  # the data's own sampler shares the batches among processes
        **options,
    )
    trainer.fit(task, **data, ckpt_path=checkpoint)
    if trainer.interrupted:
        raise KeyboardInterrupt
