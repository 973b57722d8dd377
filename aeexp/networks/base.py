"""The contract of a network: an encoder, a decoder that fits it, and what some models ask beyond these."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from aeexp.errors import UserError


class Encoder(nn.Sequential):
    """(B, *shape) -> features (B, *positions, out_features): of the example as a whole where positions is ()."""

    def __init__(self, *layers: nn.Module, out_features: int, positions: tuple[int, ...] = ()) -> None:
        super().__init__(*layers)
        self.out_features, self.positions = out_features, positions

    @property
    def only_flattens(self) -> bool:
        """Whether the features are the example itself, (B, *shape) -> (B, prod(shape))."""
        return all(isinstance(layer, nn.Flatten) for layer in self)

    def forward(self, x: Tensor) -> Tensor:
        return self.with_switches(x)[0]

    def with_switches(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The features, and the pooling switches that max-unpooling in the decoder needs, first pooling first."""
        switches: list[Tensor] = []
        for layer in self:
            x = layer(x)
            if isinstance(x, tuple):
                x, switch = x
                switches.append(switch)
        return x, switches


@dataclass(frozen=True)
class PatchNetwork:
    """The parts of a network that reads any subset of the N patches of an example, P values each."""

    side: int  # of a patch, in pixels
    tokens: int  # N
    pixels: int  # P
    width: int
    decoder_width: int
    embedding: nn.Module  # (B, *shape) -> (B, N, width)
    encoder: nn.Module  # (B, n, width) -> the same
    decoder: nn.Module  # (B, n, decoder_width) -> the same


class Autoregressive(nn.Module, ABC):
    """A decoder that gives each step of an example by those before it, from the first to the last."""

    @abstractmethod
    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """Codes (B, D), examples (B, *shape) -> theta (B, *shape), that of a step by z and the steps of x before it."""

    @abstractmethod
    def run(self, z: Tensor, feed: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """theta and x of it, (B, *shape) each, x by `feed` of the theta of one step after the other, (B, 1, F) each."""


class Network(ABC):
    twice_differentiable: bool = True  # whether the encoder has a second derivative, almost everywhere

    @abstractmethod
    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        """(B, *shape) -> (B, *positions, F). UserError where the network cannot read this shape."""

    @abstractmethod
    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        """(B, *positions, in_features), the encoder's pooling switches -> theta (B, *shape), linear at the end.

        Without switches that it needs, it raises NotApplicable.
        """

    def autoregressive(self, in_features: int, shape: tuple[int, ...]) -> Autoregressive:
        """UserError where the network has no such decoder."""
        raise UserError(
            f"network={type(self).__name__.lower()} has no decoder that reads the steps before: choose network=gru, "
            "network=lstm or network=transformer"
        )

    def layer_pairs(self, encoder: nn.Module, code: nn.Module, decoder: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
        """Layers f_1 .. f_n that can be trained one by one, f_n with the code, each with its decoder g_k; or []."""
        return []

    def patches(self, shape: tuple[int, ...]) -> PatchNetwork | None:
        """None where the network reads an example as a whole. UserError where it cannot cut this shape."""
        return None


def frozen(module: nn.Module, x: Tensor) -> Any:
    """module(x) with its weights as constants: a gradient passes to x alone."""
    return functional_call(module, {name: weight.detach() for name, weight in module.named_parameters()}, (x,))


def output_layer(decoder: nn.Module) -> tuple[str, nn.Module]:
    """The name and the last layer with a weight and a bias, which gives the output up to its arrangement."""
    layers = [(name, module) for name, module in decoder.named_modules() if isinstance(_bias(module), nn.Parameter)]
    return layers[-1]


@torch.no_grad()
def start_at(
    decoder: nn.Module, inputs: tuple[Tensor, ...], mean: Tensor, parameter: Callable[[Tensor], Tensor]
) -> None:
    """Sets the bias of the output layer to the parameter of the mean output, so that a decoder starts at the data.

    An entry of the bias that reaches several outputs, as that of a convolution reaches all pixels of a channel, gets
    the parameter of their average. Which it reaches is read off the output for the bias 0, 1, 2, ... without weights.
    """
    name, layer = output_layer(decoder)
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    entries = torch.arange(len(bias), dtype=bias.dtype, device=bias.device)
    read_off = {f"{name}.weight": torch.zeros_like(weight), f"{name}.bias": entries}
    reached = functional_call(decoder, {key.lstrip("."): value for key, value in read_off.items()}, inputs)[0]
    reached = reached.flatten().round().long()
    averages = torch.zeros_like(bias).scatter_reduce(0, reached, mean.flatten().to(bias), "mean", include_self=False)
    bias.copy_(parameter(averages))


def _bias(module: nn.Module) -> Tensor | None:
    return getattr(module, "bias", None) if isinstance(getattr(module, "weight", None), nn.Parameter) else None
