"""The TensorBoard logger of a training, in step with its checkpoints.

A run that was killed goes on from its last checkpoint, at step S. So that its curves are those of a run that was left
alone, everything before S has to be in the event files by then, and what they hold of S and later is cut when the
run goes on (aeexp.runs.events).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torchvision.utils import make_grid

from aeexp.data.module import DataModule
from aeexp.training.task import Task

SHOWN = 10
CURVE = 48  # pixels: the height of a series


class RunLogger(TensorBoardLogger):
    """Lightning's logger, that takes one value of a name for a step.

    The number of the epoch, which Lightning adds, would be the first curve that is seen, and is left out.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="", version="", default_hp_metric=False)
        self.last: dict[str, int | None] = {}

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        fresh = {k: v for k, v in metrics.items() if k != "epoch" and self.last.get(k, -1) != step}
        self.last.update(dict.fromkeys(fresh, step))
        super().log_metrics(fresh, step)


class ReconstructionGrid(pl.Callback):
    """The first validation images above, and below as the model gives them back, after every validation.

    Before a checkpoint is made, everything up to it goes to disk.
    """

    def __init__(self, data: DataModule) -> None:
        self.x = data.val[torch.arange(min(SHOWN, len(data.val)))].x
        self.low, self.high = data.limits if data.bounded else (self.x.min().item(), self.x.max().item())

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, Task)
        if isinstance(trainer.logger, TensorBoardLogger) and trainer.is_global_zero:
            trainer.logger.experiment.add_image("reconstructions", self.grid(module), last_step(trainer))

    def on_save_checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        # Lightning logs the means of a training epoch after the hook in which its checkpoint is made
        values = trainer.callback_metrics.items()  # several processes make them together
        if isinstance(trainer.logger, TensorBoardLogger) and trainer.is_global_zero:
            means = {name: value.item() for name, value in values if name.startswith("train/")}
            trainer.logger.log_metrics(means, last_step(trainer))
            trainer.logger.experiment.flush()

    def grid(self, task: Task) -> Tensor:
        """(3, H, W) in [0, 1]"""
        x = self.x.to(task.device)
        both = torch.cat([x, task.model.reconstruct(x)])
        both = ((both - self.low) / (self.high - self.low)).nan_to_num().clamp(0, 1).cpu()
        return make_grid(both if both.dim() == 4 and both.shape[1] in (1, 3) else curves(both), nrow=len(x), padding=1)


def curves(x: Tensor) -> Tensor:
    """Series (N, ...) in [0, 1] -> images (N, 1, CURVE, T), in which each value is one bright pixel."""
    rows = ((1 - x.flatten(1)) * (CURVE - 1)).round().long()  # (N, T)
    return torch.nn.functional.one_hot(rows, CURVE).movedim(-1, 1)[:, None].float()


def last_step(trainer: pl.Trainer) -> int:
    """The last step that was taken, counted from 0, as Lightning counts where it logs; a checkpoint counts from 1."""
    return trainer.global_step - 1
