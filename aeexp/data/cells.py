"""Cells of a table as numbers: of a column, (N,) as pandas reads them."""

from typing import Any

import numpy as np

from aeexp.columns import Column
from aeexp.errors import UserError


def missing(cells: np.ndarray) -> np.ndarray:
    """Which cells are missing: as pandas has them, not a number or None."""
    nothing: Any = None
    return (cells != cells) | (cells == nothing)  # what is not itself is not a number


def numbers(column: Column, cells: np.ndarray) -> np.ndarray:
    try:
        found = cells.astype(np.float32)
    except (TypeError, ValueError):
        raise UserError(f"the column {column.name} has words, but it had numbers when the run was composed") from None
    if np.isinf(found).any():
        raise UserError(f"the column {column.name} has infinite numbers: choose to leave these cells empty")
    return found


def one_hot(column: Column, cells: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """(N, categories); a missing cell has none. UserError of a category that is not known."""
    words = np.where(gone, column.categories[0], cells).astype(str)
    known = np.array(column.categories)
    places = np.searchsorted(known, words).clip(max=len(known) - 1)
    if unknown := sorted({*words[known[places] != words]}):
        raise UserError(
            f"the column {column.name} has {', '.join(unknown)}, which no training example has: choose to leave these "
            f"rows out, to leave their cells empty, or data.source.drop=[{column.name}]"
        )
    return (places[:, None] == np.arange(len(known))) & ~gone[:, None]
