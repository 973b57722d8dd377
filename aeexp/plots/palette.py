"""The colour, the marker and the line style of a model, by its name alone, in every picture of every run and table.

The colours differ by at least 20 units of CIELAB, to the usual eye and under the three kinds of dichromacy
(Machado et al. 2009); markers and line styles differ as well, for print without colour.
"""

from zlib import crc32

Colour = tuple[float, float, float]  # red, green and blue in [0, 1]
LineStyle = str | tuple[float, tuple[float, ...]]

COLOURS = (
    "#eb9d27", "#006262", "#7689ff", "#762714", "#27c4ff", "#d84eb1",
    "#768962", "#623bb1", "#c4c489", "#9d7627", "#622776", "#ebb1c4",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
LINE_STYLES: tuple[LineStyle, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1, 1, 1)))

# The models that are shown together most often, so that no two of them look alike. All others are placed by a hash.
PLACES = {
    "vae": 0,
    "undercomplete": 1,
    "deep": 2,
    "sparse": 3,
    "denoising": 4,
    "contractive": 5,
    "topk": 6,
    "vq_vae": 7,
    "hashing": 8,
    "conv": 9,
    "adversarial": 10,
    "masked": 11,
    "beta_vae": 15,
    "conditional_vae": 17,
    "iwae": 19,
}

START = 2361  # of the hash: with it, none of the project's own models share both colour and marker


def colour(model: str) -> Colour:
    code = COLOURS[_place(model) % len(COLOURS)]
    red, green, blue = (int(code[n : n + 2], 16) / 255 for n in (1, 3, 5))
    return red, green, blue


def marker(model: str) -> str:
    """A marker as matplotlib names it."""
    return MARKERS[(_place(model) + _place(model) // len(COLOURS)) % len(MARKERS)]


def line_style(model: str) -> LineStyle:
    """A line style as matplotlib names it."""
    return LINE_STYLES[(_place(model) + _place(model) // len(COLOURS)) // len(MARKERS) % len(LINE_STYLES)]


def _place(model: str) -> int:
    return PLACES.get(model, crc32(model.encode(), START))
