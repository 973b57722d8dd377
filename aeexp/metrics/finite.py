"""Codes of a training that diverged."""

from torch import Tensor

from aeexp.errors import UserError


def refuse_not_finite(codes: Tensor) -> None:
    """UserError where a value is infinite or nan."""
    if not codes.isfinite().all():
        raise UserError("the code has values that are not finite: choose a smaller optimizer.lr, and train again")
