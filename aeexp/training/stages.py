"""Which stage of a model with stages is trained in an epoch; both schedules know of a model only its stages."""

from typing import cast

import pytorch_lightning as pl

from aeexp.errors import UserError
from aeexp.models.base import Autoencoder


def staged(module: pl.LightningModule, schedule: str) -> Autoencoder:
    """The model of a task. UserError where its objective is not trained in stages."""
    model = cast(Autoencoder, module.model)
    if not model.stages:
        raise UserError(
            f"schedule={schedule} trains the stages of a model one after the other, but the model "
            f"{type(model).__name__} has none: choose schedule=default, model=stacked, model=vq_prior or latent_flow"
        )
    return model
