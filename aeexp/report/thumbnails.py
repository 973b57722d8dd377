"""The pictures of a sweep's runs, small: one run of each configuration, a picture for each title."""

import base64
import io
from collections import defaultdict
from dataclasses import dataclass

from PIL import Image

from aeexp.report.cells import Line
from aeexp.report.collect import Row
from aeexp.report.spec import Spec
from aeexp.report.table import ordered
from aeexp.runs.run import Run

WIDEST = 700  # pixels
AREA = 80e6  # pixels of all pictures together, about 20 MB: the more there are, the smaller each
LARGEST = 50e6  # pixels of a picture that is read
COLOURS = 64


@dataclass(frozen=True)
class SeedGroup:
    """The runs of one configuration, which differ in their seeds alone."""

    keys: dict[str, str]  # the values of the table's keys
    rows: list[Row]  # one a run
    run: Run | None  # the finished one with the first seed; None where none is

    @property
    def titles(self) -> list[str]:
        """The pictures that its protocols drew."""
        entries = self.run.results.get("protocols", []) if self.run else []
        return [title for entry in entries for title in entry.get("figures", [])]


def seed_groups(rows: list[Row], spec: Spec, runs: dict[str, Run]) -> list[SeedGroup]:
    """Rows a run and metric -> the runs of each combination of the table's keys, in the table's order."""
    keys, groups = spec.keys, defaultdict[Line, dict[str, Row]](dict)
    for row in rows:
        groups[tuple(row[key] for key in keys)].setdefault(row["run"], row)
    made = []
    for values in ordered(rows, keys, spec):
        of_values = sorted(groups[values].values(), key=lambda row: (len(row["seed"]), row["seed"]))
        finished = [runs[row["run"]] for row in of_values if row["metric"] and row["run"] in runs]
        made.append(SeedGroup(dict(zip(keys, values, strict=True)), of_values, finished[0] if finished else None))
    return made


def thumbnail(run: Run, title: str, width: int) -> str | None:
    """A data URI, or None where the run has no such picture, or one that is damaged or larger than LARGEST."""
    try:
        with Image.open(run.figures / f"{title}.png", formats=["PNG"]) as image:
            if image.width * image.height > LARGEST:
                return None
            small = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    small.thumbnail((width, 2 * width), Image.Resampling.LANCZOS)
    return uri(_png(small.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)))


def width_of(n: int) -> int:
    """Of each of n pictures, in pixels."""
    return int(min(WIDEST, (AREA / max(1, n)) ** 0.5))


def uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()
