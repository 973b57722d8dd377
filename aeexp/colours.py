"""One colour for a kind, in every picture of every run and table."""

import colorsys
from functools import cache
from pathlib import Path
from zlib import crc32

KINDS = Path(__file__).parents[1] / "configs" / "model"
GOLDEN = 0.618033988749895  # of the circle of hues: neighbours in the catalogue lie far apart
LIGHTNESS = (0.42, 0.62, 0.30)


@cache
def colour(kind: str) -> tuple[float, float, float]:
    """Red, green and blue in [0, 1]; a kind that is not in the catalogue has one of its own, by its name."""
    catalogue = sorted(file.stem for file in KINDS.glob("*.yaml"))
    place = catalogue.index(kind) if kind in catalogue else crc32(kind.encode())
    return colorsys.hls_to_rgb(place * GOLDEN % 1, LIGHTNESS[place % 3], 0.75)
