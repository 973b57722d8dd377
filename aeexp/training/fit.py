"""The one place that makes a Trainer and runs it."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from aeexp.training.progress import NoProfiler


def fit(
    make: Callable[..., pl.Trainer],
    task: pl.LightningModule,
    checkpoint: Path | None,
    data: dict[str, Any],
    **options: Any,
) -> None:
    """Trains the task on `data` (datamodule, or train_dataloaders and val_dataloaders), from `checkpoint` if not None.

    `make` gets the trainer's arguments. KeyboardInterrupt where Ctrl-C ended it.
    """
    trainer = make(
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=0,  # the task logs once an epoch
        profiler=NoProfiler(),
        use_distributed_sampler=False,  # the data's own sampler shares the batches among processes
        **options,
    )
    try:
        trainer.fit(task, **data, ckpt_path=checkpoint)
    except SystemExit:  # Lightning's answer to Ctrl-C, after which it does not hear the next one
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from None
