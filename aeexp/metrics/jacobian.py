"""How much a code moves with its input, of any encoder that has a derivative."""

from collections.abc import Callable

import torch
from torch import Tensor

Encoder = Callable[[Tensor], Tensor]  # (B, *shape) -> (B, D)


def root_mean_square(encode: Encoder, x: Tensor, probes: int, generator: torch.Generator) -> float:
    """sqrt of the mean over x of ||J(x)||_F^2 = E ||J(x)^T v||^2, v_j = -1 or 1 by a fair coin: Hutchinson (1990).

    Unbiased under the root, from `probes` draws an example, each a backward pass.
    """
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        z = encode(x)
    squares = []
    for _ in range(probes):
        v = 2.0 * torch.randint(2, z.shape, generator=generator).to(z) - 1
        (pulled,) = torch.autograd.grad(z, x, v, retain_graph=True)
        squares.append(pulled.double().square().flatten(1).sum(1).mean().item())
    return (sum(squares) / probes) ** 0.5


@torch.no_grad()
def responds(encode: Encoder, x: Tensor, perturbation: float, generator: torch.Generator) -> bool:
    """Whether most codes change at all where N(0, perturbation^2) joins x.

    Those of a constant encoder do not, nor those that are rounded: what passes there as a gradient is no derivative.
    """
    perturbed = x + perturbation * torch.randn(x.shape, generator=generator)
    return bool((encode(perturbed) != encode(x)).any(1).double().mean() > 0.5)
