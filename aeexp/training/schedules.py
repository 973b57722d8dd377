"""What changes while a model is trained: numbers of it that move, and when the training ends."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from aeexp.errors import UserError


class Warmup(pl.Callback):
    """Moves one number of the model in a straight line from `start` to what the configuration says it is.

    It gets there after `fraction` of all steps. The value depends on the step alone, so that a run that was killed goes
    on with the value that it had; it is logged as train/<number>. Validation is under the last value, which makes the
    losses of two epochs comparable, and with them the choice of the best checkpoint.
    """

    shared = True  # by runs that are trained together: what it does depends on the step alone

    def __init__(self, number: str, start: float, fraction: float) -> None:
        """`number` is the path of an attribute of the model, such as code.beta."""
        if not 0 < fraction <= 1:
            raise UserError(
                f"schedule: fraction={fraction} of the training is a warm-up: choose more than 0, at most 1"
            )
        self.number, self.start, self.fraction = number, start, fraction

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """UserError where the model has no such number."""
        path, _, self.name = self.number.rpartition(".")
        self.owner: Any = module.model  # of a Task, or of a group of them
        for name in path.split(".") if path else ():
            self.owner = getattr(self.owner, name, None)
        end = getattr(self.owner, self.name, None)
        if not isinstance(end, int | float):
            owner = type(self.owner or module.model).__name__
            raise UserError(
                f"schedule moves {self.number}, but the {path or 'model'} of this run, {owner}, has no such number: "
                "choose schedule=default, or a code or model that has it"
            )
        self.end = end

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, _: int) -> None:
        setattr(self.owner, self.name, self.value(trainer))

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        module.log(f"train/{self.number}", self.value(trainer))

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        setattr(self.owner, self.name, self.end)

    def value(self, trainer: pl.Trainer) -> float:
        done = trainer.global_step / (self.fraction * trainer.estimated_stepping_batches)
        return self.start + (self.end - self.start) * min(1.0, done)


class EarlyStopping(pl.callbacks.EarlyStopping):
    """Ends the training when `monitor` has not fallen by more than `min_delta` for `patience` epochs.

    trainer.max_epochs is the cap. A run that was killed after its last epoch does not train another one.
    """

    any_length = True  # what happens in an epoch does not depend on how many there are

    def __init__(self, monitor: str, patience: int, min_delta: float) -> None:
        """UserError of a patience of less than an epoch."""
        if patience < 1:
            raise UserError(f"schedule: patience={patience} is how many epochs may bring no fall: choose at least 1")
        super().__init__(monitor, min_delta, patience)

    def stops(self, trainer: pl.Trainer, means: Mapping[str, Tensor]) -> bool:
        """Whether a run that is trained together with others ends with this epoch, of which `means` are the curves."""
        self._validate_condition_metric({**means})
        stops, reason = self._evaluate_stopping_criteria(means[self.monitor])
        if stops:
            self.stopped_epoch, self.stopping_reason_message = trainer.current_epoch, reason
        return stops

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        trainer.should_stop = self.wait_count >= self.patience
