"""What a training looks like in TensorBoard."""

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torchvision.utils import make_grid

from aeexp.data.images import Images
from aeexp.training.task import Task

SHOWN = 10


class Reconstructions(pl.Callback):
    """After every validation: the first ten validation images above, as the model gives them back below."""

    def __init__(self, data: Images) -> None:
        self.x, self.scale = data.val[torch.arange(min(SHOWN, len(data.val)))].x, data.scale

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, Task)
        if isinstance(trainer.logger, TensorBoardLogger) and trainer.is_global_zero:
            trainer.logger.experiment.add_image("reconstructions", self.grid(module), trainer.global_step)

    def grid(self, task: Task) -> Tensor:
        """(3, H, W) in [0, 1]"""
        x = self.x.to(task.device)
        both = torch.cat([x, task.model.reconstruct(x)]) / self.scale
        return make_grid(both.nan_to_num().clamp(0, 1).cpu(), nrow=len(x), padding=1)
