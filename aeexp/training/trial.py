"""Whether runs compute the same together as each would alone: tried on their first batches, before they are trained."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from aeexp.errors import UserError
from aeexp.training.task import Task
from aeexp.training.vectorized import Measure, Vectorized
from aeexp.types import Batch

TOLERANCE = 1e-3  # of the largest value of a tensor: sums of floats in another order
STEPS = 3  # of which the fastest is taken
PER_STEP = 5e-4  # seconds that a step costs beside its computing, which runs that are trained together have once


class NotTogether(UserError):
    """Why these runs cannot be trained as one."""


def refuse_unequal(models: Vectorized, tasks: list[Task], batch: Batch) -> None:
    """NotTogether where a loss, a gradient, a buffer or a measure of validation is another one together than alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="There is a performance drop")
        stages = range(len(models.template.stages) + 1)
        for stage, training in [*((stage, True) for stage in stages), (0, False)]:  # in eval mode there are no stages
            for model in models.models:
                model.stage, _ = stage, model.train(training)
            try:
                _compare(models, tasks, batch, training)
            except (RuntimeError, UserWarning) as error:
                reason = f"torch cannot compute this model for several runs at once ({_short(error)})"
                raise NotTogether(reason) from error
            finally:
                for model in models.models:
                    model.stage, _ = 0, model.train()


def refuse_slower(models: Vectorized, tasks: list[Task], batch: Batch) -> None:
    """NotTogether where a step of all these runs is no faster than their steps one after another."""
    seeds = [torch.Generator().manual_seed(0) for _ in tasks]

    def alone() -> None:
        for i, task in enumerate(tasks):
            task.objective(Batch(batch.x[i], batch.y[i]))["loss"].backward()

    def together() -> None:
        models(tasks[0].objective, batch, seeds)["loss"].sum().backward()

    with _unchanged(models), torch.random.fork_rng(devices=[]):
        one_by_one = _fastest(alone) + PER_STEP * len(tasks)
        at_once = _fastest(together) + PER_STEP
    if at_once > one_by_one:
        times = f"{at_once * 1e3:.1f} ms, and one after another {one_by_one * 1e3:.1f} ms"
        raise NotTogether(f"a step of all takes {times}")


def _fastest(step: Callable[[], None]) -> float:
    """Seconds of the processor, which do not depend on what else the machine does."""
    times = []
    for _ in range(STEPS):
        began = time.process_time()
        step()
        times.append(time.process_time() - began)
    return min(times)


def _compare(models: Vectorized, tasks: list[Task], batch: Batch, training: bool) -> None:
    with _unchanged(models):
        alone = [
            _alone(task, Batch(x, y), i, training) for i, (task, x, y) in enumerate(zip(tasks, *batch, strict=True))
        ]
    with _unchanged(models):
        generators = [torch.Generator().manual_seed(i) for i in range(len(tasks))]
        with torch.set_grad_enabled(training):
            means = models(_measure(tasks[0], training), batch, generators)
        if training:
            means["loss"].sum().backward()
        found = {**means, **models.buffers}
        found |= {f"the gradient of {name}": w.grad for name, w in models.named.items() if w.grad is not None}
        for i, expected in enumerate(alone):
            for name, value in expected.items():
                if name not in found or not _equal(found[name][i].detach(), value):
                    raise NotTogether(f"{name} would be another number than that of a run alone")


def _measure(task: Task, training: bool) -> Measure:
    return task.objective if training else task.measured


def _alone(task: Task, batch: Batch, seed: int, training: bool) -> dict[str, Tensor]:
    """What the task measures of a batch by itself, its gradients and its buffers, by name."""
    with torch.random.fork_rng(devices=[]), torch.set_grad_enabled(training):
        torch.manual_seed(seed)
        means = _measure(task, training)(batch)
    if training:
        means["loss"].backward()
    values = {name: mean.detach() for name, mean in means.items()}
    values |= {name: buffer.clone() for name, buffer in task.model.named_buffers()}
    gradients = {f"the gradient of {name}": p.grad for name, p in task.model.named_parameters()}
    return values | {name: gradient for name, gradient in gradients.items() if gradient is not None}


@contextmanager
def _unchanged(models: Vectorized) -> Iterator[None]:
    """The buffers as they were, and no gradients."""
    kept = {name: buffer.clone() for name, buffer in models.buffers.items()}
    try:
        yield
    finally:
        for name, buffer in models.buffers.items():
            buffer.copy_(kept[name])
        for parameter in [*models.weights, *(p for model in models.models for p in model.parameters())]:
            parameter.grad = None


def _equal(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    found, expected = found.double(), expected.double()
    largest = expected.abs().max().item() if expected.numel() else 0.0
    return torch.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE * max(largest, 1e-6), equal_nan=True)


def _short(error: Exception) -> str:
    return str(error).split("\n")[0].split(". ")[0][:120]
