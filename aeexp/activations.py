"""Activations by the name of their class in torch.nn."""

from torch import nn

from aeexp.types import UserError


def activation(name: str) -> nn.Module:
    """The module torch.nn.<name>, such as ReLU, Sigmoid, Tanh, LeakyReLU, GELU; Identity for none.

    Raises UserError where torch.nn has no such activation.
    """
    found = getattr(nn, name, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UserError(
            f"torch.nn has no activation {name!r}: name one of its classes, such as ReLU, Sigmoid, Tanh or Identity"
        )
    return found()
