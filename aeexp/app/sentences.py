"""What a program says at its end: the numbers, or one sentence. A stored name cannot steer the terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aeexp.errors import UserError
from aeexp.report.escape import printable
from aeexp.runs.failures import sentence


@contextmanager
def one_sentence() -> Iterator[None]:
    """What a user can mend, and what the system refused (a full disk), ends the program with a sentence."""
    try:
        yield
    except (UserError, OSError) as error:
        sys.exit(printable(f"error: {sentence(error) if isinstance(error, OSError) else error}"))


def print_metrics(metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        print(printable(f"  {name:40} {value:.6g}"))
