"""The random numbers of many runs, each drawn as if its run were alone.

A model draws from torch's global generator. Where the models of n runs are computed together, `recorded` notes once
what a model draws; `drawn` draws that for each run from its own generator; under `Given` a model gets those numbers.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

Draw = Callable[[torch.Generator], Tensor]

BY_SIZE = (torch.randn, torch.rand, torch.randint)
LIKE = {torch.randn_like: torch.randn, torch.rand_like: torch.rand, torch.randint_like: torch.randint}


class _Recorder(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.draws: list[Draw] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, out = kwargs or {}, func(*args, **(kwargs or {}))
        if func in BY_SIZE and kwargs.get("generator") is None:
            self.draws.append(lambda generator: func(*args, **{**kwargs, "generator": generator}))
        elif func in LIKE:
            limits = [arg for arg in args[1:] if not isinstance(arg, Tensor)]
            size, dtype, device = out.shape, out.dtype, out.device
            by_size: Any = LIKE[func]
            self.draws.append(lambda generator: by_size(*limits, size, dtype=dtype, device=device, generator=generator))
        return out


class Given(TorchFunctionMode):
    """Each draw gives the next of `numbers`."""

    def __init__(self, numbers: list[Tensor]) -> None:
        super().__init__()
        self.numbers = iter(numbers)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if (func in BY_SIZE and kwargs.get("generator") is None) or func in LIKE:
            return next(self.numbers)
        return func(*args, **kwargs)


def recorded(function: Callable[[], Any]) -> list[Draw]:
    """What `function` draws from the global generator, in order; the generator stays as it was."""
    recorder = _Recorder()
    with torch.random.fork_rng(), torch.no_grad(), recorder:
        function()
    return recorder.draws


def drawn(draws: list[Draw], generators: list[torch.Generator]) -> list[Tensor]:
    """For each draw (n, *shape), one of each generator."""
    numbers = [[draw(generator) for draw in draws] for generator in generators]
    return [torch.stack(each) for each in zip(*numbers, strict=True)]
