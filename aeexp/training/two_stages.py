"""The schedule of two-stage generation: first the autoencoder, then the prior over its codes."""

import pytorch_lightning as pl

from aeexp.errors import UserError
from aeexp.models.vq_prior import VQPrior
from aeexp.training.task import Task


class TwoStages(pl.Callback):
    """The autoencoder learns for `fraction` of the epochs, rounded; then the prior does, and nothing else moves.

    The epoch alone decides, so a resumed run goes on in the stage that it was in.
    """

    def __init__(self, fraction: float) -> None:
        if not 0 < fraction < 1:
            raise UserError(
                f"schedule: fraction={fraction} of the epochs is the autoencoder's: choose more than 0, less than 1"
            )
        self.fraction = fraction

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        assert isinstance(pl_module, Task)
        model, epochs = pl_module.model, trainer.max_epochs or 0
        if not isinstance(model, VQPrior):
            raise UserError(
                f"schedule=two_stages trains the autoencoder and then the prior of model=vq_prior, but the model is "
                f"{type(model).__name__}: choose schedule=default, or model=vq_prior"
            )
        self.model, self.first = model, round(self.fraction * epochs)
        if not 0 < self.first < epochs:
            raise UserError(
                f"schedule=two_stages gives {self.fraction} of trainer.max_epochs={epochs} to the autoencoder: choose "
                "epochs, at least 2, and a fraction that leave at least one for each stage"
            )

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.model.stage = 1 if trainer.current_epoch < self.first else 2
