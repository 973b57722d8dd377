"""How long the evaluations take: against the matrix products that they need, and each protocol on one MNIST run.

The first table has sizes of MNIST, a code of 32 units, one thread, both sides in one process and in turn, the plain
side as torch.mm into a buffer that is used again. The second is evaluation=all of a variational autoencoder after an
epoch, 784-400-32, on two threads; codes and errors, which the protocols share, are timed apart, and generation trains
its classifier. Seconds of the processor, of all threads, stand beside those of the clock: another load on the machine
moves them less.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from types import SimpleNamespace

import torch
from tabulate import tabulate
from torch import Tensor

from aeexp.app import session
from aeexp.app.build import build
from aeexp.app.components import make_data, make_model, make_task
from aeexp.app.sweep import composed, settled
from aeexp.context.base import EvaluationContext
from aeexp.data.examples import Examples
from aeexp.errors import NotApplicable
from aeexp.evaluation.likelihood import Likelihood
from aeexp.evaluation.retrieval import AT_ONCE
from aeexp.metrics.neighbours import QUERIES, Neighbours
from aeexp.metrics.ranking import Distances, average_precision, ranked
from aeexp.runs.run import Run

CODES, ASKED, UNITS, CLASSES, NEAREST = 60_000, 10_000, 32, 10, 5
SAMPLES, EXAMPLES = 500, 200  # of the likelihood; the ratio does not depend on the number of examples
TARGET, MINUTES, THREADS = 1.5, 3, 2
Work = Callable[[], object]


def products(codes: Tensor, queries: Tensor, size: int) -> Work:
    """All inner products, `size` queries at a time."""
    buffer = torch.empty(size, len(codes))

    def plain() -> None:
        for some in queries.split(size):
            torch.mm(some, codes.T, out=buffer[: len(some)])

    return plain


def neighbours(codes: Tensor, queries: Tensor) -> tuple[Work, Work]:
    return lambda: Neighbours(codes).nearest(queries, NEAREST), products(codes, queries, QUERIES)


def retrieval(codes: Tensor, queries: Tensor) -> tuple[Work, Work]:
    """The first codes are those of the queries' class, as Retrieval orders them."""
    size, relevant = AT_ONCE // len(codes), slice(0, len(codes) // CLASSES)

    def ours() -> None:
        database = Distances(codes)
        for some in queries.split(size):
            average_precision(ranked(database(some), relevant))

    return ours, products(codes, queries, size)


def likelihood() -> tuple[Work, Work]:
    """Against the products of the decoder's layers."""
    composition = composed("train", ["data=mnist", "model=vae"])
    model = make_model(settled(composition, composition.hydra), (1, 28, 28))
    x = torch.rand(EXAMPLES, 1, 28, 28)
    part = Examples(x, torch.full((EXAMPLES,), -1), 1.0)
    context = EvaluationContext(model, SimpleNamespace(test=part), None, "vae")  # type: ignore[arg-type]
    weights = [weight.detach() for name, weight in model.named_parameters() if "decoder" in name and weight.dim() == 2]
    buffers = [torch.empty(SAMPLES, len(weight)) for weight in weights]
    z = torch.randn(SAMPLES, UNITS)

    def plain() -> None:
        for _ in range(EXAMPLES):
            h = z
            for weight, out in zip(weights, buffers, strict=True):
                h = torch.mm(h, weight.T, out=out)

    asked = Likelihood(samples=SAMPLES, examples=EXAMPLES, chunk=1000, seed=0)
    return lambda: asked(context), plain


def shown(rows: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The rows as they come, on the terminal too: all of them take minutes."""
    for row in rows:
        print(*row, sep="  ", flush=True)
        yield row


def seconds(work: Work) -> tuple[float, float]:
    """Of the clock, and of the processor."""
    clock, processor = perf_counter(), process_time()
    work()
    return perf_counter() - clock, process_time() - processor


def ratios(pairs: int) -> Iterator[tuple[str, ...]]:
    codes, queries = torch.randn(CODES, UNITS), torch.randn(ASKED, UNITS)
    compared = {
        f"{NEAREST} nearest of {CODES:,}, {ASKED:,} queries": neighbours(codes, queries),
        f"mean average precision, {CODES:,} ranked, {ASKED:,} queries": retrieval(codes, queries),
        f"likelihood, {SAMPLES} samples of {EXAMPLES} images, 784-400-{UNITS}": likelihood(),
    }
    for name, works in compared.items():
        turns = [[seconds(work)[1] for work in works] for _ in range(pairs + 1)][1:]  # the first turn warms them up
        ours, plain = (median(side) for side in zip(*turns, strict=True))
        ratio = median(mine / other for mine, other in turns)
        yield name, f"{ours:.2f}", f"{plain:.2f}", f"{ratio:.2f}", f"≤ {TARGET}", "yes" if ratio <= TARGET else "no"


def protocols(runs: str) -> Iterator[tuple[str, ...]]:
    words = ["data=mnist", "model=vae", "evaluation=all", f"runs={runs}", "trainer.max_epochs=1", f"threads={THREADS}"]
    composition = composed("train", [*words, "trainer.accelerator=cpu"])
    config = settled(composition, composition.hydra)
    session.quiet()
    torch.manual_seed(0)
    data = make_data(config)
    data.prepare_data()
    data.setup()
    task = make_task(config, make_model(config, data.shape))
    with redirect_stdout(StringIO()):
        session.fit(Run(Path(runs)), config, task, data)
    context = EvaluationContext(task.model, data, None, "vae")
    spent = [seconds(lambda: [context.codes(data.train), context.codes(data.test), context.errors(data.test)])]
    yield "codes and errors", *(f"{value:.1f}" for value in spent[0]), ""
    for name, node in config["evaluation"].items():
        answers: list[str] = []
        spent.append(seconds(lambda: answers.append(answered(context, name, node))))  # noqa: B023, called at once
        yield name, *(f"{value:.1f}" for value in spent[-1]), *answers
    clock, processor = (sum(side) for side in zip(*spent, strict=True))
    met = "yes" if clock <= 60 * MINUTES else "no"
    yield "all", f"{clock:.1f}", f"{processor:.1f}", f"≤ {60 * MINUTES} s of the clock: {met}"


def answered(context: EvaluationContext, name: str, node: object) -> str:
    """How many numbers and pictures a protocol gave."""
    try:
        result = build(node, f"evaluation.{name}")(context)
    except NotApplicable as refusal:
        return str(refusal).partition(":")[0]
    for figure in result.figures.values():
        figure.canvas.draw()
    return f"{len(result.metrics)} numbers, {len(result.figures)} pictures"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the evaluations.")
    parser.add_argument("--pairs", type=int, default=3, help="how often each side takes its turn (3)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    header = ("ours : matrix products alone", "ours, s", "products, s", "ratio", "target", "met")
    tables = [tabulate(shown(ratios(asked.pairs)), header, tablefmt="github", disable_numparse=True)]
    torch.set_num_threads(THREADS)
    with TemporaryDirectory() as runs:
        header = ("protocol", "seconds", "processor, s", "gives")
        tables.append(tabulate(shown(protocols(runs)), header, tablefmt="github", disable_numparse=True))
    load = os.getloadavg()[0]
    facts = f"torch {torch.__version__}, {os.cpu_count()} CPUs, {asked.pairs} pairs; load of the machine {load:.1f}"
    text = "\n\n".join([*tables, facts])
    print(text)
    Path(__file__).with_suffix(".md").write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    main()
