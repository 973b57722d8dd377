"""A picture as its pixels: upright, on a background, gray or coloured."""

import numpy as np
from PIL import Image, ImageOps

CHANNELS = {1: "L", 3: "RGB"}
GRAY = ("1", "L", "LA", "La")


def pixels(image: Image.Image, shape: list[int] | None, background: int) -> np.ndarray:
    """(C, H, W) uint8, of `shape` or of as much of it as is given: its C, or C, H and W, to which it is resized.

    Turned as its EXIF orientation says; what is transparent lies on a gray value. ValueError of more than 8 bits.
    """
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"its pixels are of more than 8 bits, mode {image.mode}")
    channels = shape[0] if shape else 1 if image.mode in GRAY else 3
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        ground = Image.new("RGBA", upright.size, (background,) * 3 + (255,))
        upright = Image.alpha_composite(ground, upright.convert("RGBA"))
    flat = upright.convert(CHANNELS[channels])
    if shape is not None and len(shape) == 3:
        flat = (
            flat.resize((shape[2], shape[1]), Image.Resampling.BILINEAR) if flat.size != (shape[2], shape[1]) else flat
        )
    return np.asarray(flat).reshape(flat.height, flat.width, channels).transpose(2, 0, 1)
