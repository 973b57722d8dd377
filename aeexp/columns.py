"""The columns of a table of records, and where a record's vector has them.

A vector has, for each column in order, one number, or a unit a category, 1 or 0 (one-hot); and at its end a unit for
each column with missing cells, 1 where the cell is missing. The other units of a missing cell are 0.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    name: str
    categories: tuple[str, ...]  # () of a column of numbers
    missing: bool  # whether cells of it are missing

    @property
    def width(self) -> int:
        return len(self.categories) or 1


class Layout:
    """`columns` as a configuration has them: name, categories (null of numbers), missing."""

    def __init__(self, columns: list[dict[str, Any]]) -> None:
        self.columns = [Column(one["name"], tuple(one["categories"] or ()), one["missing"]) for one in columns]
        self.places: list[slice] = []  # of the units of each column
        end = 0
        for column in self.columns:
            self.places.append(slice(end, end + column.width))
            end += column.width
        self.masks: list[int | None] = []  # where the unit of the missing cells of each column is
        for column in self.columns:
            self.masks.append(end if column.missing else None)
            end += column.missing
        self.size = end

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def numbers(self) -> list[int]:
        """Which of the columns are of numbers."""
        return [i for i, column in enumerate(self.columns) if not column.categories]
