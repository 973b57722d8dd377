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
        return laid_out(self.optimizer(self.model.parameters()))

    def setup(self, stage: str) -> None:
        quiet()  # in each process

    def on_train_epoch_start(self) -> None:
        # noise depends on the seed, the epoch and the process alone: a resumed run draws what it would have drawn
        torch.manual_seed(noise_seed(self.seed, self.current_epoch, self.global_rank))

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes each running hook here, forty times a step; nn.Module's search for a parameter in it costs
        # a tenth of a step at batch 10
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        means = self.objective(batch)
        self.tally.add("train", len(batch.x), means)
        if not means["loss"].isfinite():
            self._refuse_not_finite(means, f"step {self.global_step + 1}")
        return means["loss"]

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """The mean over a batch of each term, of `loss`, which is minimised, and of each statistic."""
        loss = self.model.loss(batch)
        return self.tally.averaged({**loss.means, "loss": loss.total}, loss.stats)

    def on_validation_epoch_start(self) -> None:
        # the objective as it is trained, with the same noise in every epoch: the losses of two epochs can be compared
        self.training_noise = torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else [])
        self.training_noise.__enter__()
        torch.manual_seed(self.seed)

    def validation_step(self, batch: Batch, _: int) -> None:
        self.tally.add("val", len(batch.x), self.measured(batch))

    def measured(self, batch: Batch) -> dict[str, Tensor]:
        """As `objective`, with the loss on uncorrupted examples and the squared error of reconstructions."""
        loss = self.model.loss(batch)
        clean = loss if self.model.corruption.identity else self.model.clean_loss(batch)
        error = (self.model.reconstruct(batch.x, batch.y) - batch.x).square().flatten(1).sum(1)
        values = {**loss.means, "loss": loss.total, "clean_loss": clean.total, "squared_error": error}
        self.finite = [*values]
        return self.tally.averaged(values, loss.stats)

    def on_validation_epoch_end(self) -> None:
        self.training_noise.__exit__(None, None, None)
        means = self._log("val")
        self._refuse_not_finite({name: means[f"val/{name}"] for name in self.finite}, "validation")
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


def laid_out(optimizer: Optimizer) -> Optimizer:
    """The optimizer, whose restored state is laid out in memory as the weights are.

    A fused step goes through memory, and would mix up the elements of a weight and of its moments.
    """

    def lay_out(restored: Optimizer) -> None:
        for weight, state in restored.state.items():
            for name, value in state.items():
                if isinstance(value, Tensor) and value.shape == weight.shape and value.stride() != weight.stride():
                    state[name] = torch.empty_like(weight).copy_(value)

    optimizer.register_load_state_dict_post_hook(lay_out)
    return optimizer


def noise_seed(seed: int, epoch: int, rank: int = 0) -> int:
    """Of the noise of a training epoch, in one of several processes."""
    return seed * 1_000_003 + epoch + 1_000_000_007 * rank


class Tally:
    """Means of named values over the examples of an epoch, and the statistics that are functions of such means."""

    def __init__(self) -> None:
        self.sums: dict[str, dict[str, Tensor]] = defaultdict(dict)
        self.counts: dict[str, int] = defaultdict(int)
        self.summaries: dict[str, Callable[[Tensor], dict[str, Tensor]]] = {}

    def averaged(self, *values: Mapping[str, Tensor | EpochStatistic]) -> dict[str, Tensor]:
        """Each value is a mean over a batch, or becomes one. UserError where two have one name."""
        means: dict[str, Tensor] = {}
        for group in values:
            _refuse_same_names(means, group)
            for name, value in group.items():
                if isinstance(value, EpochStatistic):
                    self.summaries[name] = value.summarize
                    means[name] = value.per_example.detach().mean(0)
                else:
                    means[name] = value.mean() if value.dim() else value
        return means

    def add(self, stage: str, n: int, means: Mapping[str, Tensor]) -> None:
        """Means over n examples."""
        self.counts[stage] += n
        sums = self.sums[stage]
        for name, mean in means.items():
            if name not in sums:
                sums[name] = torch.zeros_like(mean)
            sums[name].add_(mean.detach(), alpha=n)

    def taken(self, stage: str) -> dict[str, Tensor]:
        """The mean of each name over all examples; the sums start again."""
        n = self.counts.pop(stage)
        return {name: total / n for name, total in self.sums.pop(stage).items()}

    def summarized(self, stage: str, means: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`<stage>/<name>`: the means, and what is a function of them."""
        named: dict[str, Tensor] = {}
        for name, mean in means.items():
            values = self.summaries[name](mean) if name in self.summaries else {name: mean}
            _refuse_same_names(named, values)
            named |= values
        return {f"{stage}/{name}": value for name, value in named.items()}

    def means(self, stage: str) -> dict[str, Tensor]:
        """As `summarized`, of all examples; the sums start again."""
        return self.summarized(stage, self.taken(stage))


def _refuse_same_names(terms: Iterable[str], statistics: Iterable[str]) -> None:
    for name in {*terms} & {*statistics}:
        raise UserError(
            f"the statistic {name!r} has the name of the loss term or statistic {name!r}: choose another name for "
            "one of them in the model or the code"
        )
