"""Many runs trained as one: each has its own weights, examples, order, noise, checkpoints and curves, as if alone."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor
from torch.optim import Optimizer

from aeexp.data.module import DataModule
from aeexp.models.base import Autoencoder
from aeexp.training.checkpoints import Checkpoints, name_of
from aeexp.training.group_state import split
from aeexp.training.learning_rate import LearningRate
from aeexp.training.logger import ReconstructionGrid, RunLogger, last_step
from aeexp.training.schedules import EarlyStopping
from aeexp.training.task import Task, laid_out, noise_seed
from aeexp.training.trial import NotTogether
from aeexp.training.vectorized import Vectorized
from aeexp.types import Batch


@dataclass
class Member:
    """One run of a group."""

    task: Task
    data: DataModule
    folder: Path
    stored: dict[str, Any] | None  # the checkpoint from which it goes on
    schedule: list[pl.Callback]
    over: bool = False  # it stopped early, or became infinite and goes on alone, from its last checkpoint
    means: dict[str, Tensor] = field(default_factory=dict)  # of the epoch, by the names of curves

    def __post_init__(self) -> None:
        self.checkpoints = Checkpoints(self.folder / "checkpoints")
        self.stopping = next((each for each in self.schedule if isinstance(each, EarlyStopping)), None)
        self.logger, self.grid = RunLogger(self.folder), ReconstructionGrid(self.data)
        if self.stored:
            self.task.load_state_dict(self.stored["state_dict"])
            for callback in self.stateful:
                callback.load_state_dict(self.stored["callbacks"][callback.state_key])

    @property
    def stateful(self) -> list[pl.Callback]:
        return [self.checkpoints, *([self.stopping] if self.stopping else [])]


def refuse_own_state(schedule: Mapping[str, pl.Callback]) -> None:
    """NotTogether where a callback keeps something for each run that a group does not know of."""
    for name, callback in schedule.items():
        if not (isinstance(callback, EarlyStopping) or getattr(callback, "shared", False)):
            raise NotTogether(f"schedule.{name} keeps a state of each run")


class GroupTask(pl.LightningModule):
    """The steps of all members. One that is over is computed on, but nothing of it is kept."""

    strict_loading = False  # the members have the weights

    def __init__(self, members: list[Member]) -> None:
        super().__init__()
        self.members, self.turn, self.tally = members, members[0], members[0].task.tally
        self.models = Vectorized([member.task.model for member in members])
        self.weights = torch.nn.ParameterList(self.models.weights)

    @property
    def shared(self) -> list[pl.Callback]:
        """What schedules all members. NotTogether where it moves a number, and they have numbers of their own."""
        shared = [each for each in self.members[0].schedule if not isinstance(each, EarlyStopping)]
        for _, name in self.models.numbers:
            if not all(isinstance(each, LearningRate) for each in shared):
                raise NotTogether(f"a schedule moves a number, and {name} is not the same in all")
        return shared

    @property
    def model(self) -> Autoencoder:
        """The one that computes for all, whose numbers a schedule moves."""
        return self.models.template

    def configure_optimizers(self) -> Optimizer:
        return laid_out(self.members[0].task.optimizer(iter(self.weights)))

    def on_train_epoch_start(self) -> None:
        self.model.train()
        self.began = time.perf_counter()
        self.infinite = torch.zeros(len(self.members), dtype=torch.bool, device=self.device)
        self.generators = self._generators([noise_seed(m.task.seed, self.current_epoch) for m in self.members])

    def training_step(self, batch: Batch, _: int) -> Tensor:
        means = self.models(self.members[0].task.objective, batch, self.generators)
        self._add("train", batch, means)
        return means["loss"].sum()  # a sum, so that the gradient of each run is its own

    def on_validation_epoch_start(self) -> None:
        self.training_noise, self.generators = self.generators, self._generators([m.task.seed for m in self.members])
        for member in self.members:
            member.task.model.eval()

    def validation_step(self, batch: Batch, _: int) -> None:
        self._add("val", batch, self.models(self.members[0].task.measured, batch, self.generators))

    def on_validation_epoch_end(self) -> None:
        self.generators = self.training_noise
        self._take("val")

    def on_train_epoch_end(self) -> None:
        self._take("train")
        for member, infinite in zip(self.members, self.infinite.tolist(), strict=True):
            member.over |= infinite

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What Lightning keeps of the group, as of the member whose turn it is, alone."""
        i = self.members.index(self.turn)
        checkpoint["state_dict"] = {name: value.clone() for name, value in self.turn.task.state_dict().items()}
        checkpoint["optimizer_states"] = [split(state, i) for state in checkpoint["optimizer_states"]]
        checkpoint["callbacks"] |= {callback.state_key: callback.state_dict() for callback in self.turn.stateful}

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return self.members[0].data.transfer_batch_to_device(batch, device, dataloader_idx)

    def _add(self, stage: str, batch: Batch, means: dict[str, Tensor]) -> None:
        self.tally.add(stage, batch.x.shape[1], means)
        self.infinite |= ~means["loss"].detach().isfinite()  # read once an epoch: a GPU does not wait for it

    def _take(self, stage: str) -> None:
        means = self.tally.taken(stage)
        for i, member in enumerate(self.members):
            member.means |= self.tally.summarized(stage, {name: mean[i] for name, mean in means.items()})

    def _generators(self, seeds: list[int]) -> list[torch.Generator]:
        return [torch.Generator(self.device).manual_seed(seed) for seed in seeds]


class Keeper(Checkpoint):
    """After each epoch the curves and the checkpoints of every member that is not over."""

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, GroupTask)
        module.models.share(module.device)  # to which Lightning has moved the weights
        for member in module.members:
            member.task.to(module.device)
            member.checkpoints.device = f"{name_of(module.device)}, {len(module.members)} runs together"

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, GroupTask)
        step = last_step(trainer)
        for member in module.members:
            board = member.logger.experiment
            board.add_image("reconstructions", member.grid.grid(member.task), step)
            for name, values in member.means.items():
                if values.dim() and name.startswith("val/"):
                    board.add_histogram(name, values, step)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, GroupTask)
        scheduled = {name: value for name, value in trainer.callback_metrics.items() if name.startswith("train/")}
        took = (time.perf_counter() - module.began) / len(module.members)
        for member in module.members:
            if member.over:
                continue
            numbers = {name: value.item() for name, value in {**member.means, **scheduled}.items() if not value.dim()}
            member.logger.log_metrics(numbers, last_step(trainer))
            member.logger.experiment.flush()
            stops = member.stopping is not None and member.stopping.stops(trainer, member.means)
            member.checkpoints.seconds += took
            module.turn = member
            member.checkpoints.keep(trainer, numbers)
            member.over = stops
        trainer.should_stop = all(member.over for member in module.members)

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, GroupTask)
        for member in module.members:
            member.logger.experiment.close()
