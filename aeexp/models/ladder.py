"""Ladder network. Rasmus, Valpola, Honkala, Berglund and Raiko (2015), Semi-supervised learning with ladder networks.

    z_l = N(W_l h_l-1),    h_l = s(gamma_l (z_l + beta_l)),    z_0 = h_0 = x        clean
    z~_l = N(W_l h~_l-1) + std eps                                                  noisy, its h~ as above
    u_l = N(V_l+1 z^_l+1),    z^_l = g(z~_l, u_l),    u_L = N(h~_L)                 denoised, from the top
    J = -log q(y | x~) + sum_l lambda_l / m_l ||z_l - N_l(z^_l)||^2

N normalises a unit over the batch, N_l by the mean and deviation of the clean z_l. m_l is the width of layer l; the top
layer has a unit for each class, and s is the softmax there. g, for each unit, is linear in z~ with coefficients that
are functions of u (their eq. 2): g = (z~ - mu(u)) v(u) + mu(u), both a_1 sigmoid(a_2 u + a_3) + a_4 u + a_5. The noise
of x is the corruption's. `costs` are lambda_0 to lambda_L; the last one given holds for those above it.

The first term is a mean over the labelled examples of a batch: where few are, data.labelled puts some into each. These
recur, and would be reconstructed by heart: as in the authors' program, the second is of the examples without a label
alone, and each of the two parts is normalised by itself, unless it is under a quarter of the batch. Test examples are
normalised as those without a label.

The code is h of the last hidden layer, `bottleneck.dim` units. No code alone has a decoding, because z^_l reads every
layer of the encoder; `reconstruct` is z^_0 of what is not corrupted.
"""

from collections.abc import Iterable
from itertools import pairwise
from math import prod
from typing import NamedTuple, NoReturn

import torch
from torch import Tensor, nn

from aeexp.errors import NotApplicable, UserError
from aeexp.models.base import Autoencoder, Components
from aeexp.networks.moments import Moments
from aeexp.priors import NoPrior
from aeexp.types import Batch, Code, Loss


class Ladder(Autoencoder):
    def __init__(
        self, components: Components, widths: list[int], classes: int | None, std: float, costs: list[float]
    ) -> None:
        super().__init__()
        if not classes or classes < 2:
            raise UserError(f"model=ladder classifies, but data.classes={classes}: choose labelled data")
        if std < 0 or not costs or min(costs) < 0:
            raise UserError(
                f"model.std={std} and model.costs={costs} are at least 0, with one cost or more: choose such"
            )
        sizes = [prod(components.shape), *widths, components.dim, classes]
        self.corruption, self.prior, self.std, self.shape = components.corruption, NoPrior(), std, components.shape
        self.costs = [costs[min(layer, len(costs) - 1)] / size for layer, size in enumerate(sizes)]
        self.up = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairwise(sizes))
        self.down = nn.ModuleList(nn.Linear(b, a, bias=False) for a, b in pairwise(sizes))
        self.moments = nn.ModuleList(Moments(size) for size in sizes[1:])
        self.shifts = nn.ParameterList(torch.zeros(size) for size in sizes[1:])  # beta
        self.gain = nn.Parameter(torch.ones(classes))  # gamma of the top; below, the next layer's N undoes it
        self.denoisers = nn.ModuleList(Denoiser(size) for size in sizes)
        self.apply(components.initialization)

    def initialize(self, batches: Iterable[Batch]) -> None:
        """Nothing is fitted: g starts as the identity, so that the first output is the noisy input."""

    def loss(self, batch: Batch) -> Loss:
        x = batch.x.flatten(1)
        counted, groups = (each.to(x) for each in parts(batch.y))
        clean, noisy = self._climb(x, groups), self._climb(self.corruption(batch.x).flatten(1), groups, self.std)
        normalised = [
            (found - mean) / deviation
            for found, mean, deviation in zip(self._descend(noisy), clean.means, clean.deviations, strict=True)
        ]
        share = counted / counted.mean()
        recon, *above = [
            share * cost * (z - found).square().sum(1)
            for cost, z, found in zip(self.costs, clean.z, normalised, strict=True)
        ]
        classifier = batch.label_nll(noisy.logits)
        return Loss({"recon": recon, "layers": torch.stack(above).sum(0), "classifier": classifier})

    def class_probabilities(self, x: Tensor) -> Tensor:
        return self._clean(x).logits.softmax(1)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        code = (self._clean(x).z[-2] + self.shifts[-2]).relu()
        return Code(code, code)

    def decode(self, z: Tensor, y: Tensor | None = None) -> NoReturn:
        raise NotApplicable(
            "model=ladder decodes no code alone, because its decoder reads every layer of the encoder: choose "
            "model=m2, or evaluation=[reconstruction,classification,linear_probe]"
        )

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self._descend(self._clean(x))[0].unflatten(1, self.shape)

    def _clean(self, x: Tensor) -> "Climbed":
        return self._climb(x.flatten(1), x.new_ones(x.shape[0], 1))

    def _climb(self, x: Tensor, groups: Tensor, std: float = 0.0) -> "Climbed":
        """The encoder's path from x (B, N) up, normalised within groups (B, g) of the examples; with the noise std, the
        layers' running moments do not see it."""
        h, z, means, deviations = x, [x], [x.new_zeros(1)], [x.new_ones(1)]
        for up, moments, shift in zip(self.up, self.moments, self.shifts, strict=True):
            a = up(h)
            mean, deviation = moments(a, groups, noted=not std)
            means.append(mean)
            deviations.append(deviation)
            z.append((a - mean) / deviation + std * torch.randn_like(a))
            h = (z[-1] + shift).relu()
        return Climbed(groups, z, means, deviations, self.gain * (z[-1] + self.shifts[-1]))

    def _descend(self, climbed: "Climbed") -> list[Tensor]:
        """z^_0 to z^_L of a path up, whatever the layers' scales are"""
        found, signal = list[Tensor](), climbed.logits.softmax(1)
        for z, denoiser, down in zip(
            reversed(climbed.z), reversed(self.denoisers), [*reversed(self.down), None], strict=True
        ):
            found.append(denoiser(z, signal, climbed.groups))
            signal = down(found[-1]) if down else signal
        return found[::-1]


def parts(y: Tensor) -> tuple[Tensor, Tensor]:
    """Which examples the costs are of, (B,) bool: those without a label, or all where these are under a quarter. Which
    are normalised together, (B, 2) bool: these and the others, or all where the others are under a quarter."""
    unlabelled = y < 0
    counted = unlabelled | (4 * unlabelled.sum() < y.shape[0])
    apart = 4 * (~counted).sum() >= y.shape[0]
    return counted, torch.stack([counted | ~apart, ~counted & apart], 1)


class Climbed(NamedTuple):
    """A path up the encoder: of each layer from x on, z, and the mean and deviation before N, (B, m) or as they
    broadcast."""

    groups: Tensor  # (B, g)
    z: list[Tensor]
    means: list[Tensor]
    deviations: list[Tensor]
    logits: Tensor  # (B, classes)


class Denoiser(nn.Module):
    """g: noisy z~ (B, m), and the signal from above (B, m), which it normalises to u -> z^ (B, m)"""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.moments = Moments(width)
        self.mu, self.v = Curve(width, 0.0), Curve(width, 1.0)

    def forward(self, z: Tensor, signal: Tensor, groups: Tensor) -> Tensor:
        mean, deviation = self.moments(signal, groups)
        u = (signal - mean) / deviation
        mu = self.mu(u)
        return (z - mu) * self.v(u) + mu


class Curve(nn.Module):
    """a_1 sigmoid(a_2 u + a_3) + a_4 u + a_5 of each unit, which starts as the constant a_5."""

    def __init__(self, width: int, constant: float) -> None:
        super().__init__()
        start = torch.tensor([0.0, 1.0, 0.0, 0.0, constant])
        self.a = nn.Parameter(start[:, None].repeat(1, width))

    def forward(self, u: Tensor) -> Tensor:
        height, slope, place, linear, constant = self.a
        return height * (slope * u + place).sigmoid() + linear * u + constant
