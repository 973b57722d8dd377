"""One colour for a kind, in every picture of every run and table."""

import colorsys
from functools import cache
from math import ceil
from pathlib import Path
from zlib import crc32

KINDS = Path(__file__).parents[1] / "configs" / "model"
LIGHTNESS = (0.3, 0.46, 0.66)


@cache
def colour(kind: str) -> tuple[float, float, float]:
    """Red, green and blue in [0, 1]. Two kinds of the catalogue differ in lightness, or by a good part of the hues.

    A kind that is not in the catalogue has a colour by its name.
    """
    catalogue = sorted(file.stem for file in KINDS.glob("*.yaml"))
    place = catalogue.index(kind) if kind in catalogue else crc32(kind.encode())
    hue, tier = divmod(place, len(LIGHTNESS))
    return colorsys.hls_to_rgb(
        (hue + tier / len(LIGHTNESS)) / ceil(len(catalogue) / len(LIGHTNESS)) % 1, LIGHTNESS[tier], 0.75
    )
