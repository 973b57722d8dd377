"""Optimizers that are this project's own."""

import torch
from conftest import same

from aeexp.training.adadelta import Adadelta


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
