"""One colour for a model, in every picture of every run and table."""

import colorsys
from functools import cache
from math import ceil
from pathlib import Path
from zlib import crc32

MODELS = Path(__file__).parents[2] / "configs" / "model"
LIGHTNESS = (0.3, 0.46, 0.66)


@cache
def colour(model: str) -> tuple[float, float, float]:
    """Red, green and blue in [0, 1]. Two models of the catalogue differ in lightness, or by a good part of the hues.

    A model that is not in the catalogue has a colour by its name.
    """
    catalogue = sorted(file.stem for file in MODELS.glob("*.yaml"))
    place = catalogue.index(model) if model in catalogue else crc32(model.encode())
    hue, tier = divmod(place, len(LIGHTNESS))
    return colorsys.hls_to_rgb(
        (hue + tier / len(LIGHTNESS)) / ceil(len(catalogue) / len(LIGHTNESS)) % 1, LIGHTNESS[tier], 0.75
    )
