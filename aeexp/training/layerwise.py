"""The schedule of greedy, layer-wise training. Bengio et al. (2007), Greedy layer-wise training of deep networks."""

import pytorch_lightning as pl

from aeexp.errors import UserError
from aeexp.training.stages import staged


class Layerwise(pl.Callback):
    """Each stage of the model is trained alone for `epochs`, in order, then all of them together.

    The epoch alone decides, so that a resumed run continues with the stage in which it was interrupted.
    """

    shared = True  # by runs that are trained together: what it does depends on the step alone

    def __init__(self, epochs: int) -> None:
        if epochs < 0:
            raise UserError(f"schedule.layerwise.epochs={epochs} is how long each layer is trained: choose at least 0")
        self.epochs = epochs

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.model = staged(pl_module, "layerwise")
        alone, of_all = self.epochs * len(self.model.stages), trainer.max_epochs or 0
        if 0 <= of_all <= alone:
            raise UserError(
                f"schedule=layerwise takes {alone} epochs for the layers alone, but trainer.max_epochs={of_all} leaves "
                f"none for all together: choose trainer.max_epochs={alone + 1} or more, or fewer "
                "schedule.layerwise.epochs"
            )

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        stage = trainer.current_epoch // self.epochs + 1 if self.epochs else 0
        self.model.stage = stage if stage <= len(self.model.stages) else 0
