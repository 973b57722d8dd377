"""What the author of table=semi_supervised printed, digit for digit: python benchmarks/replay.py <data.root>

Chapter 13 of a Korean textbook on deep learning (Academy.ALZZA, codes/chap13/autoencoder_test.ipynb) draws everything
from NumPy's legacy generator with the seed 1234: two permutations of MNIST's 60,000 training images, the first of which
only mlp_all sees; then, row after row, the weights N(0, 0.03^2) of encoder, decoder and head, the order of the examples
of each epoch, and those that it prints. What is drawn does not depend on what is trained, so that each row can be
replayed by itself: a row's name, or several, after data.root. Its costs are means over the batches of an epoch, of the
squared error of a pixel. In double precision, as the source computes.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torchvision.datasets import MNIST

from aeexp.files import write

BATCH, EPOCHS = 10, 10
TRAIN, VAL, TEST, FEW = 48_000, 3_000, 9_000, 480


@dataclass(frozen=True)
class Row:
    name: str
    encoder: list[int]  # widths
    decoder: list[int]
    head: list[int]  # hidden widths
    costs: dict[int, str]  # what the source prints of the autoencoder, by epoch
    accuracy: str  # and of the test examples
    reports: int = 2  # how often it looks at validation examples, which draws
    frozen: bool = False


COSTS = {2: "2556.567", 4: "2545.596", 6: "2542.326", 8: "2540.189", 10: "2538.084"}
ROWS = [
    Row("mlp_all", [10], [], [], {}, "0.905", reports=5),
    Row("mlp_1p", [10], [], [], {}, "0.684", reports=5),
    Row("auto_1", [10], [784], [10], COSTS, "0.746", reports=5),
    Row("auto_fix", [10], [784], [10], {}, "0.749", frozen=True),
    Row("auto_2", [64, 10], [64, 784], [10], {5: "2692.180", 10: "2646.832"}, "0.796"),
    Row("auto_3", [64, 1], [64, 784], [10], {5: "5323.163", 10: "5090.021"}, "0.187"),
]


def layers(random: np.random.RandomState, widths: list[int], last_is_linear: bool) -> nn.Sequential:
    """Each with a ReLU, but for the last one where that is linear."""
    made: list[nn.Module] = []
    for a, b in pairwise(widths):
        layer = nn.Linear(a, b, dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(torch.as_tensor(random.normal(0, 0.03, [a, b]).T))
            layer.bias.zero_()
        made += [layer, nn.ReLU()]
    return nn.Sequential(*made[: len(made) - last_is_linear])


def order(random: np.random.RandomState, n: int) -> Tensor:
    positions = np.arange(n)
    random.shuffle(positions)
    return torch.as_tensor(positions)


def trained(loss: Callable[[Tensor], Tensor], optimizer: torch.optim.Optimizer, orders: list[Tensor]) -> list[float]:
    """The mean loss over the batches of each epoch."""
    means = []
    for positions in orders:
        losses = []
        for batch in positions.split(BATCH):
            optimizer.zero_grad()
            cost = loss(batch)
            cost.backward()
            optimizer.step()
            losses.append(cost.detach())
        means.append(torch.stack(losses).mean().item())
    return means


def replayed(row: Row, random: np.random.RandomState, x: Tensor, y: Tensor, skip: bool) -> list[str]:
    """Lines of the table; `skip`: what it draws, and nothing else."""
    encoder = layers(random, [784, *row.encoder], last_is_linear=False)
    decoder = layers(random, [row.encoder[-1], *row.decoder], last_is_linear=False)
    head = layers(random, [row.encoder[-1], *row.head, 10], last_is_linear=True)
    first = [order(random, TRAIN) for _ in range(EPOCHS if row.decoder else 0)]
    second = []
    for epoch in range(EPOCHS):
        second.append(order(random, TRAIN if row.name == "mlp_all" else FEW))
        if (epoch + 1) % (EPOCHS // row.reports) == 0:
            order(random, VAL)
    order(random, VAL)  # of the examples that it shows
    if skip:
        return []
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters(), *head.parameters()], 0.001)
    costs = trained(lambda batch: mse_loss(decoder(encoder(x[batch])), x[batch]), optimizer, first)
    lines = [
        f"| {row.name} | cost of epoch {epoch} | {cost} | {costs[epoch - 1]:.3f} |" for epoch, cost in row.costs.items()
    ]
    optimizer.zero_grad()
    encoder.requires_grad_(not row.frozen)
    trained(lambda batch: cross_entropy(head(encoder(x[batch])), y[batch]), optimizer, second)
    with torch.no_grad():
        right = (head(encoder(x[-TEST:])).argmax(1) == y[-TEST:]).double().mean()
    return [*lines, f"| {row.name} | test accuracy | {row.accuracy} | {right:.3f} |"]


def main(root: str, names: list[str]) -> None:
    torch.set_num_threads(1)
    data = MNIST(root, train=True)
    random = np.random.RandomState(1234)
    permutations = [order(random, len(data.data)) for _ in range(2)]
    lines = ["| row | | published | replayed |", "|---|---|---|---|"]
    for row in ROWS:
        positions = permutations[0 if row.name == "mlp_all" else 1]
        x, y = data.data[positions].flatten(1).double(), data.targets[positions]
        lines += replayed(row, random, x, y, skip=bool(names) and row.name not in names)
        print("\n".join(lines), flush=True)
        if not names:
            write(Path(__file__).with_suffix(".md"), "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
