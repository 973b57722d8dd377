"""Parts of a data set: how many examples, and the digest that identifies a split."""

import hashlib

from torch import Tensor

from aeexp.errors import UserError


def count(part: int | float, of: int, name: str) -> int:
    n = part if isinstance(part, int) else round(part * of)
    if not 1 <= n < of:
        raise UserError(f"{name}={part} asks for {n} of {of} examples: give a count within that, or a fraction of 1.0")
    return n


def refuse_outside(peak: int, name: str | None, *parts: Tensor) -> None:
    """UserError where a part, if it is of floats, has numbers outside of [0, peak]."""
    for x in parts:
        least, most = (x.min().item(), x.max().item()) if x.is_floating_point() else (0, peak)
        if not (least >= 0 and most <= peak):
            raise UserError(
                f"data={name} holds numbers from {least:g} to {most:g}, outside of [0, {peak}]: choose "
                f"data.source.range=[{least:g},{most:g}], which maps these to [0, 1], or scaling=standard"
            )


def split_digest(*indices: Tensor) -> str:
    return hashlib.sha256(b"|".join(index.numpy().tobytes() for index in indices)).hexdigest()[:16]
