"""A caller's arrays and pictures as tensors, and the way back into the form that the caller used."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from aeexp.errors import UserError

MODES = {1: "L", 3: "RGB"}  # by the number of channels
FAR = 1.0  # of the scale: reconstructions lie a little outside of it, bytes that were taken for floats lie far outside


class UserInput(ABC):
    def __init__(self, values: Tensor) -> None:
        self.values = values

    @abstractmethod
    def read(self, factor: float, scale: float, bounded: bool) -> Tensor:
        """Float32 in [0, scale], or, of data that are not `bounded`, any; `factor` makes that of the data's own bytes.

        UserError where it cannot be.
        """

    @abstractmethod
    def codes(self, values: Tensor) -> Any:
        """Codes, in the caller's form."""

    @abstractmethod
    def examples(self, values: Tensor, scale: float) -> Any:
        """Examples in [0, scale], in the caller's form."""


class Numbers(UserInput, ABC):
    def read(self, factor: float, scale: float, bounded: bool) -> Tensor:
        if self.values.dtype != torch.uint8 and not self.values.is_floating_point():
            raise UserError(f"x holds {self.values.dtype}: choose uint8, as the data's files hold, or floats")
        x = self.values.float()
        x = x * factor if self.values.dtype == torch.uint8 else x
        low, high = (x.min().item(), x.max().item()) if x.numel() else (0.0, 0.0)
        if not x.isfinite().all():
            raise UserError("x holds numbers that are not finite: choose to replace them, or to leave them out")
        if bounded and (low < -FAR * scale or high > (1 + FAR) * scale):
            raise UserError(
                f"x is from {low:g} to {high:g}, but this run reads [0, {scale:g}]: choose x scaled to that, or uint8 "
                "where the data's files hold bytes"
            )
        return x

    def examples(self, values: Tensor, scale: float) -> Any:
        return self.codes(values)


class Array(Numbers):
    """numpy in, numpy out."""

    def codes(self, values: Tensor) -> NDArray[np.float32]:
        return values.cpu().numpy()


class Torch(Numbers):
    """A tensor in, a tensor on the same device out."""

    def codes(self, values: Tensor) -> Tensor:
        return values.to(self.values.device)


class Pictures(UserInput):
    """PIL in, PIL out; codes, which are no pictures, as numpy. Their white is the scale, whatever the data's is."""

    def read(self, factor: float, scale: float, bounded: bool) -> Tensor:
        return self.values * (scale / 255)

    def codes(self, values: Tensor) -> NDArray[np.float32]:
        return values.cpu().numpy()

    def examples(self, values: Tensor, scale: float) -> Any:
        """(N, C, H, W) -> a list of images, (C, H, W) -> an image; beyond [0, scale] is black or white."""
        if values.dim() == 4:
            return [self.examples(each, scale) for each in values]
        levels = (values.cpu() / scale).clamp(0, 1).mul(255).round().to(torch.uint8)
        return Image.fromarray(levels.movedim(0, -1).squeeze(-1).numpy())


def given(x: Any, shape: tuple[int, ...]) -> UserInput:
    """Arrays and tensors as they are; pictures as uint8 (N, *shape), one as (*shape). UserError where x is neither."""
    if isinstance(x, np.ndarray) and x.dtype.kind in "biuf":
        return Array(torch.tensor(x))
    if isinstance(x, Tensor):
        return Torch(x.detach())
    if isinstance(x, Image.Image):
        return Pictures(_picture(x, shape))
    if isinstance(x, Sequence) and x and all(isinstance(each, Image.Image) for each in x):
        return Pictures(torch.stack([_picture(each, shape) for each in x]))
    what = f"an array of {x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__
    raise UserError(f"x is {what}: choose a numpy array of numbers, a torch tensor, a PIL image, or a list of these")


def _picture(image: Image.Image, shape: tuple[int, ...]) -> Tensor:
    """(C, H, W) uint8"""
    if len(shape) != 3 or shape[0] not in MODES:
        raise UserError(f"this run reads examples of shape {shape}, which are no pictures: choose arrays of this shape")
    channels, height, width = shape
    if image.size != (width, height):
        raise UserError(
            f"a picture is {image.width}x{image.height}, but this run reads {width}x{height}: "
            f"choose image.resize(({width}, {height}))"
        )
    levels = np.array(image.convert(MODES[channels]))  # (H, W) or (H, W, 3)
    return torch.as_tensor(levels).reshape(height, width, channels).movedim(-1, 0)
