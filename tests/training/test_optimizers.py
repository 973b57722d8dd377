"""Optimizers that are this project's own."""

from copy import deepcopy

import pytest
import torch
from composing import made
from conftest import same

from aeexp.training.adadelta import Adadelta
from aeexp.types import Batch


def test_adadelta_with_a_divisor_is_adadelta_on_the_mean():
    start, target = torch.randn(784), torch.rand(784)
    summed, averaged = (start.clone().requires_grad_() for _ in range(2))
    ours = Adadelta([summed], divisor=784, lr=1.0, rho=0.95, eps=1e-4)
    plain = torch.optim.Adadelta([averaged], lr=1.0, rho=0.95, eps=1e-4)
    for _ in range(20):
        for weights, optimizer, loss in ((summed, ours, torch.sum), (averaged, plain, torch.mean)):

            def closure(weights=weights, optimizer=optimizer, loss=loss):
                optimizer.zero_grad()
                value = loss((weights - target) ** 2)
                value.backward()
                return value

            assert optimizer.step(closure) is not None
    same(summed, averaged)
    assert (summed - start).abs().min() > 0


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_restored_state_of_another_layout_steps_as_the_one_that_was_kept(name):
    words = ("model=conv", f"optimizer={name}")
    batch = Batch(torch.rand(8, 1, 8, 8), torch.zeros(8, dtype=torch.int64))
    (task, _), (again, _) = made(*words), made(*words)
    optimizer, restored = task.configure_optimizers(), again.configure_optimizers()
    convolution = next(p for p in task.model.parameters() if p.dim() == 4 and p.shape[1] > 1)
    assert not convolution.is_contiguous()  # channels last

    def step(task, optimizer):
        optimizer.zero_grad()
        task.model.loss(batch).total.backward()
        optimizer.step()

    step(task, optimizer)
    again.load_state_dict(task.state_dict())
    kept = deepcopy(optimizer.state_dict())
    for state in kept["state"].values():  # as of a group, whose weights are stacked
        state |= {key: v.clone(memory_format=torch.contiguous_format) for key, v in state.items() if torch.is_tensor(v)}
    restored.load_state_dict(kept)
    step(task, optimizer)
    step(again, restored)
    for found, expected in zip(again.model.parameters(), task.model.parameters(), strict=True):
        same(found, expected)
