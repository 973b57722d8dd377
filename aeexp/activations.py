"""Activations by the name of their class in torch.nn."""

import torch
from torch import Tensor, nn

from aeexp.errors import UserError

ELEMENTWISE = (nn.Identity, nn.Sigmoid, nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Softplus)

NEAREST = 1e-3  # how near the mean of a sigmoid comes to 0 and 1 where its logit is to be finite


def activation(name: str) -> nn.Module:
    """The module torch.nn.<name>, such as ReLU, Sigmoid, Tanh, LeakyReLU, GELU; Identity for none.

    Raises UserError where torch.nn has no such activation.
    """
    found = getattr(nn.modules.activation, name, nn.Identity if name == "Identity" else None)
    try:
        made = found() if isinstance(found, type) else None
    except TypeError:  # MultiheadAttention and the like, which cannot be made from a name
        made = None
    if not isinstance(made, nn.Module) or type(made) is nn.Module:
        raise UserError(
            f"torch.nn has no activation {name!r}: name one of its classes, such as ReLU, Sigmoid, Tanh or Identity"
        )
    return made


def elementwise(s: nn.Module | None) -> bool:
    """Whether s(a)_j depends on a_j alone, for all that is known."""
    return isinstance(s, ELEMENTWISE)


def inverse(s: nn.Module, mean: Tensor) -> Tensor:
    """a with s(a) = mean, as near as a is finite; `mean` itself where s has no inverse that is known here."""
    if isinstance(s, nn.Sigmoid):
        return mean.logit(NEAREST)
    if isinstance(s, nn.Tanh):
        return torch.atanh(mean.clamp(NEAREST - 1, 1 - NEAREST))
    return mean
