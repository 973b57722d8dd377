"""Tables of records: numeric and categorical columns, cells of which may be missing, an example a row.

What a record's vector has is said in aeexp/columns.py. Its numbers are standardised, (value - mean) / deviation of the
training examples, where a missing one is 0, their mean.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_wine
from torch import Tensor

from aeexp.columns import Layout
from aeexp.data.cells import missing, numbers, one_hot
from aeexp.data.labels import numbered
from aeexp.data.sources import Facts, Part
from aeexp.data.tables import frame
from aeexp.errors import UserError

TABLES = {"breast_cancer": load_breast_cancer, "wine": load_wine}
MOST = 100  # categories of a column, beyond which it is taken for names
Cells = dict[str, np.ndarray]  # by the name of the column, (N,) each


class Records(ABC):
    """`columns`: what the run was composed with, null of a run that is being composed: those of the files."""

    def __init__(self, columns: list[dict[str, Any]] | None) -> None:
        self.columns = columns

    @abstractmethod
    def read(self, root: Path) -> list[tuple[Cells, np.ndarray | None]]:
        """The cells and the labels as they are written: of the training part, and of a test part, where there is."""

    @abstractmethod
    def categorical(self, name: str, cells: np.ndarray) -> bool:
        """Whether a column is of categories."""

    def prepare(self, root: Path) -> None:
        self.schema(root)

    def schema(self, root: Path) -> list[dict[str, Any]]:
        """The columns as a configuration has them. UserError where one cannot be read."""
        if self.columns is not None:
            return self.columns
        (train, _), *rest = self.read(root)
        test = rest[0][0] if rest else train
        if set(test) != set(train):
            raise UserError(f"the test part has columns {', '.join(test)}, but the training part {', '.join(train)}")
        return [self._column(name, cells, test[name]) for name, cells in train.items()]

    def describe(self, root: Path) -> Facts:
        (cells, y), *rest = self.read(root)
        labels, names = _labels(cells, y, y)
        classes = len(names) or int(labels.max()) + 1
        return Facts([Layout(self.schema(root)).size], classes, bool(rest), 1, names)

    def load(self, root: Path) -> tuple[Part, Part | None]:
        """Numbers that are missing are nan, which `fitted` fills in."""
        layout, parts = Layout(self.schema(root)), self.read(root)
        first = parts[0][1]
        train, *test = [(self._vectors(layout, cells), _labels(cells, y, first)[0]) for cells, y in parts]
        return train, test[0] if test else None

    def fitted(self, train: Tensor, layout: Layout) -> Callable[[Tensor], Tensor]:
        """The standardisation by training examples (N, D): (n, D) -> the same without nan."""
        mean, deviation = torch.zeros(train.shape[1]), torch.ones(train.shape[1])
        for i in layout.numbers():
            place = layout.places[i].start
            known = train[:, place][~train[:, place].isnan()].double()
            if len(known):
                spread = known.std(correction=0).item()
                mean[place], deviation[place] = known.mean(), spread if spread > 0 else 1.0
        return lambda x: ((x - mean) / deviation).nan_to_num(0.0)

    def _column(self, name: str, cells: np.ndarray, test: np.ndarray) -> dict[str, Any]:
        gone = missing(cells)
        categories = None
        if gone.all():
            raise UserError(f"the column {name} has no cell with a value: choose data.source.drop=[{name}]")
        if self.categorical(name, cells):
            categories = sorted({str(value) for value in cells[~gone]})
            if len(categories) > MOST:
                raise UserError(
                    f"the column {name} has {len(categories)} different words, which are names and no categories: "
                    f"choose data.source.drop=[{name}]"
                )
        return {"name": name, "categories": categories, "missing": bool(gone.any() or missing(test).any())}

    def _vectors(self, layout: Layout, cells: Cells) -> Tensor:
        """(N, D) float32"""
        if absent := [name for name in layout.names if name not in cells]:
            raise UserError(f"the table has no column {', '.join(absent)}, which the run was composed with")
        x = np.zeros((len(next(iter(cells.values()))), layout.size), np.float32)
        for column, place, mask in zip(layout.columns, layout.places, layout.masks, strict=True):
            values = cells[column.name]
            gone = missing(values)
            if mask is not None:
                x[:, mask] = gone
            elif gone.any():
                raise UserError(f"the column {column.name} has missing cells, and had none when the run was composed")
            x[:, place] = one_hot(column, values, gone) if column.categories else numbers(column, values)[:, None]
        return torch.as_tensor(x)


class Table(Records):
    """A .csv, .tsv or .parquet file below root, with a header; `test_path`: another, the test part.

    Columns of words are categories, and so are those that `categorical` names; `drop` names those that are left out,
    and `label` that of the labels.
    """

    def __init__(
        self,
        path: str,
        test_path: str | None,
        label: str | None,
        categorical: list[str],
        drop: list[str],
        columns: list[dict[str, Any]] | None,
    ) -> None:
        super().__init__(columns)
        self.paths = [path, *([test_path] if test_path else [])]
        self.label, self.named, self.drop = label, categorical, drop

    def files(self, root: Path) -> list[Path]:
        return [root / path for path in self.paths]

    def read(self, root: Path) -> list[tuple[Cells, np.ndarray | None]]:
        return [self._read(file) for file in self.files(root)]

    def categorical(self, name: str, cells: np.ndarray) -> bool:
        return name in self.named or cells.dtype.kind not in "iufb"

    def _read(self, file: Path) -> tuple[Cells, np.ndarray | None]:
        table = frame(file)
        cells = {str(name): table[name].to_numpy() for name in table.columns}
        if unknown := [name for name in (*self.named, *self.drop, self.label) if name and name not in cells]:
            raise UserError(
                f"{file} has no column {', '.join(unknown)}: choose data.source.label, categorical and drop of "
                f"{', '.join(cells)}"
            )
        y = cells.pop(self.label) if self.label else None
        left = {name: values for name, values in cells.items() if name not in self.drop}
        if not left:
            raise UserError(f"{file} has no column but those of data.source.label and drop: choose to drop fewer")
        if dates := [name for name, values in left.items() if values.dtype.kind in "mM"]:
            raise UserError(f"{file} has columns of dates, {', '.join(dates)}: choose to name them in data.source.drop")
        return left, y


class Embedded(Records):
    """A table that comes with scikit-learn, by its `name`."""

    def __init__(self, name: str, columns: list[dict[str, Any]] | None) -> None:
        super().__init__(columns)
        if name not in TABLES:
            raise UserError(f"data.source.name={name} does not come with scikit-learn: choose {' or '.join(TABLES)}")
        self.name = name

    def read(self, root: Path) -> list[tuple[Cells, np.ndarray | None]]:
        found = TABLES[self.name]()
        cells = {str(name): values for name, values in zip(found.feature_names, found.data.T, strict=True)}
        return [(cells, found.target_names[found.target])]

    def categorical(self, name: str, cells: np.ndarray) -> bool:
        return False


def _labels(cells: Cells, y: np.ndarray | None, first: np.ndarray | None) -> tuple[Tensor, list[str]]:
    """(N,) int64, -1 where there is none, and the names of the classes where they are words."""
    n = len(next(iter(cells.values())))
    return (torch.full((n,), -1), []) if y is None else numbered(y, first, n, "the column data.source.label")
