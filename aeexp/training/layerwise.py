"""The schedule of greedy, layer-wise training: which layer of a stack learns in which epoch."""

import pytorch_lightning as pl

from aeexp.errors import UserError
from aeexp.models.stacked import Stacked
from aeexp.training.task import Task


class Layerwise(pl.Callback):
    """Each layer learns for `epochs`, the lowest first; from then on, all together.

    The epoch alone decides, so a resumed run goes on with the layer that it was at.
    """

    def __init__(self, epochs: int) -> None:
        if epochs < 0:
            raise UserError(f"schedule.layerwise.epochs={epochs} is how long each layer learns: choose at least 0")
        self.epochs = epochs

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        alone, of_all = self.epochs * self._stack(pl_module).layers, trainer.max_epochs or 0
        if 0 <= of_all <= alone:
            raise UserError(
                f"schedule=layerwise takes {alone} epochs for the layers alone, but trainer.max_epochs={of_all} leaves "
                f"none for all together: choose trainer.max_epochs={alone + 1} or more, or fewer "
                "schedule.layerwise.epochs"
            )

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        stack = self._stack(pl_module)
        layer = trainer.current_epoch // self.epochs + 1 if self.epochs else 0
        stack.stage = layer if layer <= stack.layers else 0

    def _stack(self, module: pl.LightningModule) -> Stacked:
        assert isinstance(module, Task)
        if not isinstance(module.model, Stacked):
            raise UserError(
                f"schedule=layerwise trains the layers of model=stacked, but the model is "
                f"{type(module.model).__name__}: choose schedule=default, or model=stacked"
            )
        return module.model
