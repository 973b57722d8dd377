"""A step of each kind (loss, backward, optimiser) against the same mathematics written by hand in one function.

MNIST's shape, batch 256, one thread, both in one process and in turn; without Lightning's loop. A kind that has no
function here yet is shown beside the undercomplete step only.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from tabulate import tabulate
from torch import Tensor
from torch.nn import functional as F

from aeexp.app.parts import make_model, make_task, trainable
from aeexp.app.sweep import composed, settled
from aeexp.types import Batch

SHAPE, BATCH, TARGET = (1, 28, 28), 256, 1.15
KINDS = sorted(file.stem for file in (Path(__file__).parents[1] / "configs" / "model").glob("*.yaml"))
P = dict[str, Tensor]  # the kind's own parameters, by name


def linear(p: P, name: str, x: Tensor) -> Tensor:
    return F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])


def bernoulli(theta: Tensor, x: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(theta, x.flatten(1), reduction="sum") / len(x)


def undercomplete(p: P, x: Tensor) -> Tensor:
    return bernoulli(linear(p, "decoder.0", linear(p, "code.project.0", x.flatten(1))), x)


def denoising(p: P, x: Tensor) -> Tensor:
    noisy = (x + 0.5 * torch.randn_like(x)).clamp(0, 1)
    return bernoulli(linear(p, "decoder.0", linear(p, "code.project.0", noisy.flatten(1))), x)


def sparse(p: P, x: Tensor) -> Tensor:
    z = linear(p, "code.project.0", x.flatten(1)).relu()
    return bernoulli(linear(p, "decoder.0", z), x) + 0.0784 * z.abs().sum() / len(x)


def sparse_kl(p: P, x: Tensor) -> Tensor:
    z = linear(p, "code.project", x.flatten(1)).sigmoid()
    r, rho = z.mean(0), torch.tensor(0.05)
    kl = rho * (rho / r).log() + (1 - rho) * ((1 - rho) / (1 - r)).log()
    return bernoulli(linear(p, "decoder.0", z), x) + 3 * kl.sum()


def contractive(p: P, x: Tensor) -> Tensor:
    z = linear(p, "code.project.0", x.flatten(1)).sigmoid()
    norm = (z * (1 - z)).square() @ p["code.project.0.weight"].square().sum(1)
    return bernoulli(linear(p, "decoder.0", z), x) + 0.1 * norm.mean()


def deep(p: P, x: Tensor) -> Tensor:
    h = linear(p, "encoder.3", linear(p, "encoder.1", x.flatten(1)).relu()).relu()
    h = linear(p, "decoder.0", linear(p, "code.project.0", h)).relu()
    return bernoulli(linear(p, "decoder.4", linear(p, "decoder.2", h).relu()), x)


def vae(p: P, x: Tensor, beta: float = 1.0) -> Tensor:
    mu, log_var = linear(p, "code.project", linear(p, "encoder.1", x.flatten(1)).relu()).chunk(2, dim=1)
    z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)
    kl = 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum() / len(x)
    return bernoulli(linear(p, "decoder.2", linear(p, "decoder.0", z).relu()), x) + beta * kl


def beta_vae(p: P, x: Tensor) -> Tensor:
    return vae(p, x, beta=4.0)


BY_HAND: dict[str, Callable[[P, Tensor], Tensor]] = {
    function.__name__: function
    for function in (undercomplete, denoising, sparse, sparse_kl, contractive, deep, vae, beta_vae)
}


def steps(kind: str, x: Tensor) -> list[Callable[[], None]] | None:
    """Our step, and the one by hand where somebody wrote it, from the same weights; None where nothing learns."""
    composition = composed("train", ["data=mnist", f"model={kind}", "optimizer=adam"])
    config = settled(composition, composition.hydra)
    task = make_task(config, make_model(config, SHAPE))
    if not trainable(task.model):
        return None
    batch = Batch(x, torch.arange(len(x)) % 10)
    ours = task.configure_optimizers()
    p = {name: value.detach().clone().requires_grad_() for name, value in task.model.named_parameters()}
    optimizer = task.optimizer(iter(p.values()))

    def step() -> None:
        task.model.loss(batch).total.backward()
        ours.step()
        ours.zero_grad()

    def hand() -> None:
        BY_HAND[kind](p, x).backward()
        optimizer.step()
        optimizer.zero_grad()

    return [step, hand] if kind in BY_HAND else [step]


def seconds(step: Callable[[], None], times: int) -> float:
    start = perf_counter()
    for _ in range(times):
        step()
    return (perf_counter() - start) / times


def row(kind: str, x: Tensor, pairs: int, times: int) -> tuple[str, ...] | None:
    """None where nothing learns."""
    mine, plain = steps(kind, x), steps("undercomplete", x)
    if mine is None or plain is None:
        return None
    turns = [[seconds(step, times) for step in (plain[0], *mine)] for _ in range(pairs + 1)]
    beside, ours, *hand = zip(*turns[1:], strict=True)  # the first turn warms all of them up
    known = ("",) * 3
    if hand:
        ratio = median(a / b for a, b in zip(ours, hand[0], strict=True))
        known = (f"{median(hand[0]) * 1e3:.2f}", f"{ratio:.2f}", "yes" if ratio <= TARGET else "no")
    times_plain = median(a / b for a, b in zip(ours, beside, strict=True))
    return kind, f"{median(ours) * 1e3:.2f}", *known, f"{times_plain:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare a step of each kind with the same mathematics by hand.")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--times", type=int, default=30, help="steps of each in a turn")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    x = torch.rand(BATCH, *SHAPE, generator=torch.Generator().manual_seed(0))
    rows = [found for kind in KINDS if (found := row(kind, x, asked.pairs, asked.times))]
    header = ("kind", "ms a step", "by hand", "ratio", f"≤ {TARGET}", "beside undercomplete")
    table = tabulate(rows, header, tablefmt="github", disable_numparse=True)
    print(table)
    Path(__file__).with_suffix(".md").write_text(f"{table}\n")


if __name__ == "__main__":
    main()
