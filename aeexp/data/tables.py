"""Tables of numbers, an example a row: .csv, .tsv and .parquet files, read by pandas."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from aeexp.errors import UserError

READERS: dict[str, tuple[str, dict[str, str]]] = {
    ".csv": ("read_csv", {}),
    ".tsv": ("read_csv", {"sep": "\t"}),
    ".parquet": ("read_parquet", {}),
}


def is_table(name: str) -> bool:
    return Path(name).suffix.lower() in READERS


def columns(file: Path, label: str | int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The numbers (N, D) and, of the column `label`, a name or a place from 0, the labels (N,) as they are written.

    UserError where it is no table, has no such column, or another column is not of numbers.
    """
    table = frame(file)
    names = [str(name) for name in table.columns]
    place = None
    if label is not None:
        place = label if isinstance(label, int) else names.index(label) if label in names else len(names)
        if not 0 <= place < len(names):
            raise UserError(f"{file} has no column {label}: choose data.source.label of {', '.join(names)}")
    others = [i for i in range(len(names)) if i != place]
    words = [names[i] for i in others if table.dtypes.iloc[i].kind not in "iufb"]
    if words or not others:
        raise UserError(
            f"{file} has columns that are not of numbers, {', '.join(words)}: choose data.source.label for "
            "the column of the labels, and leave out the others"
        )
    values = table.iloc[:, others].to_numpy(np.float64)
    return values, None if place is None else table.iloc[:, place].to_numpy()


def frame(file: Path) -> Any:
    """The table as pandas has it. UserError where it is none."""
    return _table(file, file.stat().st_mtime_ns if file.is_file() else 0)


@lru_cache(maxsize=4)
def _table(file: Path, modified: int) -> Any:
    try:
        import pandas
    except ImportError:
        raise UserError(f"{file} is read by pandas: choose pip install 'aeexp[tables]', or a .npy file") from None
    reader, settings = READERS[file.suffix.lower()]
    try:
        table = getattr(pandas, reader)(file, **settings)
    except FileNotFoundError:
        raise UserError(f"{file} is not there: data.source gives its place below data.root") from None
    except Exception as error:  # each reader has errors of its own
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{file} cannot be read as a table ({reason}): choose a file of rows, with a header") from None
    if not len(table):
        raise UserError(f"{file} has no row: choose a file of one example a row, with a header")
    return table
