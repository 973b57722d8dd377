"""Learning-rate schedules: the learning rate is optimizer.lr times a factor that depends on the step.

    Constant     1
    Cosine       final + (1 - final) (1 + cos(pi t)) / 2        Loshchilov and Hutter (2017), SGDR, eq. 5, one period
    Step         gamma^floor(epoch / epochs)
    OneCycle     from `first` up to 1 and down to `last`, by cosines    Smith and Topin (2019), Super-convergence
    Plateau      gamma^n, n how often `monitor` has not fallen for `patience` epochs

t from 0 to 1 is what is done of all steps after the warm-up, in which the factor of each grows in a straight line from
0 (Goyal et al. 2017, Accurate, large minibatch SGD, section 2.2). The factor depends on the step alone, Plateau's on
what a checkpoint keeps, so that a run that was killed goes on with the rate that it had. It is logged as train/lr.
"""

from abc import ABC, abstractmethod
from math import cos, inf, pi
from typing import Any

import pytorch_lightning as pl

from aeexp.errors import UserError


class LearningRate(pl.Callback, ABC):
    """`warmup` is the fraction of all steps in which the rate grows."""

    by_epoch: bool = False  # whether the factor depends on the epochs so far, and not on how many there are
    shared: bool = True  # by runs that are trained together: the factor depends on the step alone

    def __init__(self, warmup: float) -> None:
        if not 0 <= warmup < 1:
            raise UserError(f"schedule: warmup={warmup} is a fraction of the training: choose 0 to less than 1")
        self.warmup = warmup

    @property
    def any_length(self) -> bool:
        return self.by_epoch and self.warmup == 0

    @abstractmethod
    def factor(self, t: float, epoch: int) -> float:
        """Of the learning rate, at t of the steps after the warm-up."""

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, _: int) -> None:
        done = trainer.global_step / trainer.estimated_stepping_batches
        growing = min(1.0, (done + 1 / trainer.estimated_stepping_batches) / self.warmup) if self.warmup else 1.0
        t = max(0.0, done - self.warmup) / (1 - self.warmup)
        (optimizer,) = trainer.optimizers
        for group in optimizer.param_groups:
            group["lr"] = optimizer.defaults["lr"] * growing * self.factor(t, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        module.log("train/lr", trainer.optimizers[0].param_groups[0]["lr"])


class Constant(LearningRate):
    by_epoch = True

    def factor(self, t: float, epoch: int) -> float:
        return 1.0


class Cosine(LearningRate):
    def __init__(self, warmup: float, final: float) -> None:
        super().__init__(warmup)
        self.final = final

    def factor(self, t: float, epoch: int) -> float:
        return _between(1.0, self.final, t)


class Step(LearningRate):
    by_epoch = True

    def __init__(self, warmup: float, epochs: int, gamma: float) -> None:
        super().__init__(warmup)
        if epochs < 1:
            raise UserError(f"schedule: epochs={epochs} is how many have one learning rate: choose at least 1")
        self.epochs, self.gamma = epochs, gamma

    def factor(self, t: float, epoch: int) -> float:
        return self.gamma ** (epoch // self.epochs)


class OneCycle(LearningRate):
    """`rising` is the fraction of the steps in which it rises."""

    def __init__(self, rising: float, first: float, last: float) -> None:
        super().__init__(warmup=0.0)
        if not 0 < rising < 1:
            raise UserError(f"schedule: rising={rising} is a fraction of the training: choose between 0 and 1")
        self.rising, self.first, self.last = rising, first, last

    def factor(self, t: float, epoch: int) -> float:
        if t < self.rising:
            return _between(self.first, 1.0, t / self.rising)
        return _between(1.0, self.last, (t - self.rising) / (1 - self.rising))


class Plateau(LearningRate):
    by_epoch, shared = True, False

    def __init__(self, warmup: float, monitor: str, patience: int, gamma: float) -> None:
        super().__init__(warmup)
        if patience < 1:
            raise UserError(f"schedule: patience={patience} is how many epochs may bring no fall: choose at least 1")
        self.monitor, self.patience, self.gamma = monitor, patience, gamma
        self.best, self.waited, self.falls = inf, 0, 0

    def factor(self, t: float, epoch: int) -> float:
        return self.gamma**self.falls

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        super().on_train_epoch_end(trainer, module)
        if self.monitor not in trainer.callback_metrics:
            there = ", ".join(sorted(trainer.callback_metrics))
            raise UserError(f"schedule: monitor={self.monitor} is not measured: choose one of {there}")
        value = trainer.callback_metrics[self.monitor].item()
        self.waited = 0 if value < self.best else self.waited + 1
        self.best = min(self.best, value)
        if self.waited >= self.patience:
            self.falls, self.waited = self.falls + 1, 0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited, "falls": self.falls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.waited, self.falls = state["best"], state["waited"], state["falls"]


def _between(start: float, end: float, t: float) -> float:
    """By half a period of a cosine."""
    return end + (start - end) * (1 + cos(pi * min(1.0, t))) / 2
