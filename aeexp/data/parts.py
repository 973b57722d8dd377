"""Parts of a data set: how many examples, and the digest that identifies a split."""

import hashlib

from torch import Tensor

from aeexp.errors import UserError


def count(part: int | float, of: int, name: str) -> int:
    n = part if isinstance(part, int) else round(part * of)
    if not 1 <= n < of:
        raise UserError(f"{name}={part} asks for {n} of {of} examples: give a count within that, or a fraction of 1.0")
    return n


def split_digest(*indices: Tensor) -> str:
    return hashlib.sha256(b"|".join(index.numpy().tobytes() for index in indices)).hexdigest()[:16]
