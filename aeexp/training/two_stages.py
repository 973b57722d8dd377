"""The schedule of two-stage generation: first the autoencoder, then the prior over its codes."""

import pytorch_lightning as pl

from aeexp.errors import UserError
from aeexp.training.stages import staged


class TwoStages(pl.Callback):
    """The last stage of the model is trained in the last epochs; the stages before share the first `fraction` equally.

    The epoch alone decides, so that a resumed run continues in the stage in which it was interrupted.
    """

    shared = True  # by runs that are trained together: what it does depends on the step alone

    def __init__(self, fraction: float) -> None:
        if not 0 < fraction < 1:
            raise UserError(
                f"schedule: fraction={fraction} of the epochs is the autoencoder's: choose more than 0, less than 1"
            )
        self.fraction = fraction

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.model, epochs = staged(pl_module, "two_stages"), trainer.max_epochs or 0
        before = len(self.model.stages) - 1
        self.first = round(self.fraction * epochs)
        if not before <= self.first < epochs or not before:
            raise UserError(
                f"schedule=two_stages gives {self.fraction} of trainer.max_epochs={epochs} to what precedes the last "
                f"of {before + 1}: choose epochs and a fraction that leave at least one for each of "
                "two stages or more"
            )

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        before, epoch = len(self.model.stages) - 1, trainer.current_epoch
        self.model.stage = epoch * before // self.first + 1 if epoch < self.first else before + 1
