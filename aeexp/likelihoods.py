"""How a reconstruction is scored: nll(theta, x) -> (B,) nats per example, and the mean image of theta."""

from abc import ABC, abstractmethod
from math import log, pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from aeexp.activations import NEAREST, activation, inverse
from aeexp.columns import Layout
from aeexp.errors import UserError
from aeexp.symbols import END, until_end


class Likelihood(nn.Module, ABC):
    bounded: bool = False  # whether means are of a bounded or half-bounded range, as [0, 1]
    of_symbols: bool = False  # whether x is a sequence of symbols (aeexp/symbols.py)

    @abstractmethod
    def nll(self, theta: Tensor, x: Tensor) -> Tensor:
        """-log p(x | theta): (B, *shape) twice -> (B,) nats"""

    def left_out(self, size: int) -> float:
        """The constant that `nll` lacks of an x of `size` numbers, in nats: it moves no weight."""
        return 0.0

    @abstractmethod
    def mean(self, theta: Tensor) -> Tensor:
        """E[x | theta]: (B, *shape) -> (B, *shape)"""

    @abstractmethod
    def parameter(self, mean: Tensor) -> Tensor:
        """The theta whose mean this is, as near as theta is finite; any shape -> the same."""

    def mode(self, mean: Tensor) -> Tensor:
        """The likeliest x of this mean where it is of symbols, else the mean itself: (B, *shape) -> (B, *shape)"""
        return mean

    def generate(self, mean: Tensor) -> Tensor:
        """A draw of the p(x | theta) of this mean where x is of symbols, else the mean, as pictures are shown."""
        return mean

    def cut(self, x: Tensor) -> Tensor:
        """x (B, *shape) without what comes after its end, where it has one."""
        return x


class Bernoulli(Likelihood):
    """-log p(x | theta) = -sum_i [x_i log m_i + (1 - x_i) log(1 - m_i)],  m = sigmoid(theta);  x in [0, 1]"""

    bounded = True

    def __init__(self, scale: float) -> None:
        super().__init__()
        if scale != 1:
            raise UserError(
                f"likelihood=bernoulli scores pixels in [0, 1], but data.scale={scale:g}: "
                "choose likelihood=squared_error, or data.scale=1"
            )

    def nll(self, theta: Tensor, x: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(theta, x, reduction="none").flatten(1).sum(1)

    def mean(self, theta: Tensor) -> Tensor:
        return theta.sigmoid()

    def parameter(self, mean: Tensor) -> Tensor:
        return mean.logit(NEAREST)


class SquaredError(Likelihood):
    """||x - s(theta)||^2: the nats of a Gaussian of variance 1/2 around s(theta), less its constant (D/2) log pi"""

    def __init__(self, link: str) -> None:
        super().__init__()
        self.link, self.bounded = activation(link), link != "Identity"

    def nll(self, theta: Tensor, x: Tensor) -> Tensor:
        return (x - self.mean(theta)).square().flatten(1).sum(1)

    def left_out(self, size: int) -> float:
        return 0.5 * size * log(pi)

    def mean(self, theta: Tensor) -> Tensor:
        return self.link(theta)

    def parameter(self, mean: Tensor) -> Tensor:
        return inverse(self.link, mean)


class Gaussian(Likelihood):
    """-log N(x; theta, sigma^2 I), with one sigma for all pixels, learned. Rybkin et al. (2021), sigma-VAE, eq. 3."""

    def __init__(self) -> None:
        super().__init__()
        self.log_sigma = nn.Parameter(torch.zeros(()))

    def nll(self, theta: Tensor, x: Tensor) -> Tensor:
        residual = (x - theta) * (-self.log_sigma).exp()
        return (0.5 * residual.square() + self.log_sigma + 0.5 * log(2 * pi)).flatten(1).sum(1)

    def mean(self, theta: Tensor) -> Tensor:
        return theta

    def parameter(self, mean: Tensor) -> Tensor:
        return mean


class Categorical(Likelihood):
    """A sequence of symbols, one-hot: -log p(x | theta) = -sum_t log softmax(theta_t)_{x_t}, up to its end and with it

    x (B, T, V), theta (B, T, V): what comes after the end is zeros (aeexp/symbols.py), and costs nothing. The mean,
    P(x_t = v) = softmax(theta_t)_v prod_{s<t} (1 - softmax(theta_s)_end), falls to zero there.
    """

    bounded = of_symbols = True

    def nll(self, theta: Tensor, x: Tensor) -> Tensor:
        return -(x * theta.log_softmax(-1)).flatten(1).sum(1)

    def mean(self, theta: Tensor) -> Tensor:
        p = theta.softmax(-1)
        goes_on = (1 - p[..., END]).cumprod(-1)
        return p * torch.cat([torch.ones_like(goes_on[..., :1]), goes_on[..., :-1]], -1)[..., None]

    def parameter(self, mean: Tensor) -> Tensor:
        return mean.clamp_min(NEAREST).log()

    def mode(self, mean: Tensor) -> Tensor:
        return self.cut(one_hot(mean.argmax(-1), mean.shape[-1]).to(mean))

    def generate(self, mean: Tensor) -> Tensor:
        p = mean.clamp_min(torch.finfo(mean.dtype).tiny)  # of a step beyond the end all are 0
        drawn = p.flatten(0, -2).multinomial(1).view(mean.shape[:-1])
        return self.cut(one_hot(drawn, mean.shape[-1]).to(mean))

    def cut(self, x: Tensor) -> Tensor:
        return until_end(x)


class Columns(Likelihood):
    """A table of records: -log p(x | theta) is the sum over the columns that are not missing of

    -log N(x; theta, sigma^2)   of a number, with one sigma a column, learned, at least `floor`
    -log softmax(theta)_c       of category c

    `columns`: those of data=table (aeexp/columns.py).
    """

    numbers: Tensor  # where the numbers are
    masks: Tensor  # where a column's unit of missing cells is; D of a column without

    def __init__(self, columns: list[dict[str, Any]] | None, floor: float) -> None:
        super().__init__()
        if columns is None or floor <= 0:
            raise UserError(
                f"likelihood=columns scores the columns of a table of records, with deviations of at least likelihood."
                f"floor={floor}: choose data=table, and a floor above 0, or likelihood=gaussian"
            )
        layout = Layout(columns)
        self.layout, self.of_numbers, self.floor = layout, layout.numbers(), floor
        places = [layout.places[i].start for i in self.of_numbers]
        masks = [layout.size if mask is None else mask for mask in layout.masks]
        self.register_buffer("numbers", torch.tensor(places, dtype=torch.int64), persistent=False)
        self.register_buffer("masks", torch.tensor(masks, dtype=torch.int64), persistent=False)
        self.log_sigma = nn.Parameter(torch.zeros(len(places)))

    def nll(self, theta: Tensor, x: Tensor) -> Tensor:
        return self.of_columns(theta, x).sum(1)

    def of_columns(self, theta: Tensor, x: Tensor) -> Tensor:
        """The nats of each column, 0 where it is missing: (B, D) twice -> (B, columns)"""
        log_sigma = self.log_sigma.clamp_min(log(self.floor))
        residual = (x - theta)[:, self.numbers] * (-log_sigma).exp()
        of_numbers = iter((0.5 * residual.square() + log_sigma + 0.5 * log(2 * pi)).unbind(1))
        nats = [
            -(x[:, place] * theta[:, place].log_softmax(1)).sum(1) if column.categories else next(of_numbers)
            for column, place in zip(self.layout.columns, self.layout.places, strict=True)
        ]
        missing = torch.cat([x, torch.zeros_like(x[:, :1])], 1)[:, self.masks]
        return torch.stack(nats, 1) * (1 - missing)

    def mean(self, theta: Tensor) -> Tensor:
        """Numbers, and the probabilities of categories; 0 of what says that cells are missing, which is not modelled"""
        mean = torch.zeros_like(theta)
        mean[:, self.numbers] = theta[:, self.numbers]
        for column, place in zip(self.layout.columns, self.layout.places, strict=True):
            if column.categories:
                mean[:, place] = theta[:, place].softmax(1)
        return mean

    def parameter(self, mean: Tensor) -> Tensor:
        of_numbers = torch.zeros_like(mean, dtype=torch.bool)
        of_numbers[..., self.numbers] = True
        return mean.where(of_numbers, mean.clamp_min(NEAREST).log())
