"""Image codecs, which codes are compared with: JPEG, WebP and PNG, by Pillow.

All images stand on one sheet, so that they share one header, which is longer than a small image. Each is continued by
its last row and column to a multiple of BLOCK pixels, so that no block of a codec has a part of two.
"""

import io
from math import ceil, exp, log, sqrt

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

BLOCK = 16  # pixels, of JPEG with halved colours and of WebP
QUALITIES = (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)
Curve = list[tuple[float, float]]  # bits and squared error of an image, by rising bits


def by_codec(images: Tensor, codec: str) -> Curve:
    """Images (N, C, H, W) in [0, 1], C of 1 or 3, by a lossy `codec`, JPEG or WEBP; averaged over the images."""
    return sorted(_coded(images, codec, quality=quality) for quality in QUALITIES)


def by_png(images: Tensor) -> Curve:
    """The same, without any error but that of whole numbers of 0..255: one point."""
    return [_coded(images, "PNG", optimize=True)]


def bits_at(error: float, curve: Curve) -> float | None:
    """The bits at which a curve has this squared error, between its points in log bits; None beyond them. A curve of
    one point has its bits."""
    if len(curve) == 1:
        return curve[0][0]
    points = sorted((squared, log(bits)) for bits, squared in curve)
    errors, logs = zip(*points, strict=True)
    return exp(float(np.interp(error, errors, logs))) if errors[0] <= error <= errors[-1] else None


def _coded(images: Tensor, codec: str, **options: int | bool) -> tuple[float, float]:
    """Bits and squared error of an image."""
    whole, stream = _sheet(images), io.BytesIO()
    mode = "L" if whole.shape[2] == 1 else "RGB"
    Image.fromarray(whole.squeeze(2) if mode == "L" else whole, mode).save(stream, codec, **options)
    decoded = np.asarray(Image.open(stream).convert(mode)).reshape(whole.shape)
    error = ((_images(decoded, images).double() / 255 - images.double()) ** 2).sum() / len(images)
    return 8 * len(stream.getvalue()) / len(images), error.item()


def _sheet(images: Tensor) -> np.ndarray:
    """(rows, columns, C) uint8"""
    n, _, height, width = images.shape
    columns = ceil(sqrt(n))
    filled = pad(images, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
    filled = torch.cat([filled, filled[-1:].expand(columns * ceil(n / columns) - n, -1, -1, -1)])
    rows = filled.unflatten(0, (-1, columns)).permute(0, 3, 1, 4, 2)  # (rows, H, columns, W, C)
    return (255 * rows.flatten(2, 3).flatten(0, 1)).round().to(torch.uint8).numpy()


def _images(sheet: np.ndarray, like: Tensor) -> Tensor:
    """The images of a sheet, (N, C, H, W)"""
    n, _, height, width = like.shape
    blocks = torch.tensor(sheet).unflatten(0, (-1, height + -height % BLOCK)).unflatten(2, (-1, width + -width % BLOCK))
    return blocks.permute(0, 2, 4, 1, 3).flatten(0, 1)[:n, :, :height, :width]
