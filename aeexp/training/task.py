"""The one LightningModule: steps on a model's loss, and each term's mean over the epoch under its own name."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.optim import Optimizer

from aeexp.errors import UserError
from aeexp.models.base import Autoencoder
from aeexp.training.progress import quiet
from aeexp.types import Batch, EpochStatistic


class Task(pl.LightningModule):
    def __init__(self, model: Autoencoder, optimizer: Callable[[Iterator[nn.Parameter]], Optimizer], seed: int) -> None:
        super().__init__()
        self.model, self.optimizer, self.seed = model, optimizer, seed
        self.tally = Tally()

    def configure_optimizers(self) -> Optimizer:
        return self.optimizer(self.model.parameters())

    def setup(self, stage: str) -> None:
        quiet()  # in each process

    def on_train_epoch_start(self) -> None:
        # noise depends on the seed, the epoch and the process alone: a resumed run draws what it would have drawn
        torch.manual_seed(self.seed * 1_000_003 + self.current_epoch + 1_000_000_007 * self.global_rank)

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes each running hook here, forty times a step; nn.Module's search for a parameter in it costs
        # a tenth of a step at batch 10
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        loss = self.model.loss(batch)
        total = loss.total
        self.tally.add("train", len(batch.x), {**loss.means, "loss": total}, loss.stats)
        if not total.isfinite():
            self._refuse_not_finite(loss.means, f"step {self.global_step + 1}")
        return total

    def on_validation_epoch_start(self) -> None:
        # the objective as it is trained, with the same noise in every epoch: the losses of two epochs can be compared
        self.training_noise = torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else [])
        self.training_noise.__enter__()
        torch.manual_seed(self.seed)

    def validation_step(self, batch: Batch, _: int) -> None:
        loss = self.model.loss(batch)
        clean = loss if self.model.corruption.identity else self.model.clean_loss(batch)
        error = (self.model.reconstruct(batch.x, batch.y) - batch.x).square().flatten(1).sum(1)
        values = {**loss.means, "loss": loss.total, "clean_loss": clean.total, "squared_error": error}
        self.tally.add("val", len(batch.x), values, loss.stats)
        self.objective = [*values]

    def on_validation_epoch_end(self) -> None:
        self.training_noise.__exit__(None, None, None)
        means = self._log("val")
        self._refuse_not_finite({name: means[f"val/{name}"] for name in self.objective}, "validation")
        if isinstance(self.logger, TensorBoardLogger) and self.trainer.is_global_zero:
            for name in (name for name, value in means.items() if value.dim()):
                self.logger.experiment.add_histogram(name, means[name], self.global_step - 1)  # as Lightning counts

    def on_train_epoch_end(self) -> None:
        self._log("train")

    def _log(self, stage: str) -> dict[str, Tensor]:
        means = self.tally.means(stage)
        numbers = {name: value for name, value in means.items() if not value.dim()}
        self.log_dict(numbers, sync_dist=True)  # each process saw examples of its own
        return means

    def _refuse_not_finite(self, means: Mapping[str, Tensor], where: str) -> None:
        """UserError that names the first mean, (), which is no finite number."""
        for name, mean in means.items():
            if not mean.isfinite():
                kept = self.current_epoch > 0 and bool(self.trainer.checkpoint_callbacks)
                raise UserError(
                    f"{name} became {mean.item()} in epoch {self.current_epoch + 1}, {where}: training stopped"
                    f"{', the last good checkpoint is kept' * kept}; a smaller optimizer.lr may help"
                )


class Tally:
    """Means of named values over the examples of an epoch, and the statistics that are functions of such means."""

    def __init__(self) -> None:
        self.sums: dict[str, dict[str, Tensor]] = defaultdict(dict)
        self.counts: dict[str, int] = defaultdict(int)
        self.summaries: dict[str, Callable[[Tensor], dict[str, Tensor]]] = {}

    def add(self, stage: str, n: int, *values: Mapping[str, Tensor | EpochStatistic]) -> None:
        """Each value is a mean over n examples, or has one entry an example. UserError where two have one name."""
        self.counts[stage] += n
        sums, names = self.sums[stage], set[str]()
        for group in values:
            _refuse_same_names(names, group)
            names |= {*group}
            for name, value in group.items():
                if isinstance(value, EpochStatistic):
                    self.summaries[name] = value.summarize
                    mean = value.per_example.detach().mean(0)
                else:
                    mean = value.detach()
                    mean = mean.mean() if mean.dim() else mean
                if name not in sums:
                    sums[name] = torch.zeros_like(mean)
                sums[name].add_(mean, alpha=n)

    def means(self, stage: str) -> dict[str, Tensor]:
        """`<stage>/<name>`; the sums start again."""
        n, named = self.counts.pop(stage), dict[str, Tensor]()
        for name, total in self.sums.pop(stage).items():
            mean = total / n
            values = self.summaries[name](mean) if name in self.summaries else {name: mean}
            _refuse_same_names(named, values)
            named |= values
        return {f"{stage}/{name}": value for name, value in named.items()}


def _refuse_same_names(terms: Iterable[str], statistics: Iterable[str]) -> None:
    for name in {*terms} & {*statistics}:
        raise UserError(
            f"the statistic {name!r} has the name of the loss term or statistic {name!r}: choose another name for "
            "one of them in the model or the code"
        )
