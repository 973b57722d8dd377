"""How a program ends: with one sentence."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aeexp.errors import UserError
from aeexp.runs.failures import sentence


@contextmanager
def one_sentence() -> Iterator[None]:
    """What a user can mend, and what the system refused (a full disk), ends the program with a sentence."""
    try:
        yield
    except (UserError, OSError) as error:
        sys.exit(f"error: {sentence(error) if isinstance(error, OSError) else error}")
