"""Spoken digits, as windows of the sound or as images of its spectrum."""

import re
import warnings
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from scipy.io import wavfile
from torch import Tensor
from torch.nn.functional import pad

from aeexp.data.sources import Part, Recorded
from aeexp.errors import UserError

RATE = 8000  # samples a second
NAME = re.compile(r"(\d)_([^_]+)_(\d+)\.wav")  # digit, speaker, index


class Sound(ABC):
    """What is seen of a recording."""

    rate: int | None  # samples a second of what can be heard again, or None

    def __init__(self, samples: int) -> None:
        self.samples = samples

    @abstractmethod
    def __call__(self, windows: Tensor) -> Tensor:
        """(N, samples) in [-1, 1] -> (N, *shape) in [0, 1]"""


class Raw(Sound):
    """The samples themselves, (samples,); silence is 1/2."""

    rate = RATE

    def __call__(self, windows: Tensor) -> Tensor:
        return (windows + 1) / 2


class LogMel(Sound):
    """Power in `bands` mel bands, (1, bands, samples / hop), low bands first: the `decibels` below the loudest one.

    mel(f) = 2595 log10(1 + f / 700), triangles as in Davis and Mermelstein (1980).
    """

    rate = None

    def __init__(self, samples: int, bands: int, hop: int, fft: int, decibels: float) -> None:
        super().__init__(samples)
        self.hop, self.fft, self.decibels = hop, fft, decibels
        top = 2595 * np.log10(1 + RATE / 2 / 700)
        edges = 700 * (10 ** (torch.linspace(0, top, bands + 2) / 2595) - 1)  # Hz
        f = torch.linspace(0, RATE / 2, fft // 2 + 1)
        low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
        self.mel = torch.minimum((f - low) / (middle - low), (high - f) / (high - middle)).clamp(min=0)  # (bands, F)

    def __call__(self, windows: Tensor) -> Tensor:
        spectrum = torch.stft(windows, self.fft, self.hop, window=torch.hann_window(self.fft), return_complex=True)
        power = self.mel @ spectrum.abs().square()[:, :, : self.samples // self.hop]  # (N, bands, frames)
        level = 10 * power.clamp(min=1e-10).log10()
        level = level - level.amax((1, 2), keepdim=True)
        return (1 + level / self.decibels).clamp(0, 1)[:, None]


class SpokenDigits(Recorded):
    """3,000 recordings of six speakers, `{digit}_{speaker}_{index}.wav`; indices 0 to 4 are the test part.

    Jackson (2018), Free spoken digit dataset. Each is cut, or filled with silence, to the samples that `sound` takes.
    """

    def __init__(self, folder: str, sound: Sound) -> None:
        self.folder, self.sound = folder, sound

    @property
    def rate(self) -> int | None:
        return self.sound.rate

    def files(self, root: Path) -> list[Path]:
        return sorted((root / self.folder).glob("*_*_*.wav"))

    def prepare(self, root: Path) -> None:
        """UserError where there is no recording."""
        if not self.files(root):
            raise UserError(
                f"{root / self.folder} holds no recordings: put there those of "
                "github.com/Jakobovski/free-spoken-digit-dataset, point data.root or AEEXP_DATA at a folder that has "
                f"{self.folder}, or choose data=digits, which needs nothing"
            )

    def load(self, root: Path) -> tuple[Part, Part]:
        files = self.files(root)
        windows = torch.stack([_window(file, self.sound.samples) for file in files])
        names = [_named(file) for file in files]
        y = torch.tensor([digit for digit, _ in names])
        test = torch.tensor([index < 5 for _, index in names])
        x = torch.cat([self.sound(some) for some in windows.split(500)])
        return (x[~test], y[~test]), (x[test], y[test])


def _named(file: Path) -> tuple[int, int]:
    """The digit and the index that a file's name says."""
    fits = NAME.fullmatch(file.name)
    if fits is None:
        raise UserError(
            f"{file} is not named as digit, speaker and index, such as 7_jackson_32.wav: rename or remove it"
        )
    return int(fits[1]), int(fits[3])


def _window(file: Path, samples: int) -> Tensor:
    """(samples,) in [-1, 1]. UserError where it is not a mono recording at 8 kHz."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks that are no sound
            rate, sound = wavfile.read(file)
    except (ValueError, EOFError) as error:
        raise UserError(f"{file} cannot be read as a recording ({error}): remove it, or fetch it again") from None
    if sound.ndim != 1 or rate != RATE:
        channels = 1 if sound.ndim == 1 else sound.shape[1]
        raise UserError(f"{file} has {channels} channels at {rate} Hz, but it should have 1 at {RATE} Hz")
    x = torch.as_tensor(_levels(sound[:samples]))
    return pad(x, (0, samples - len(x)))


def _levels(sound: np.ndarray) -> np.ndarray:
    """Samples as a file has them -> float32 in [-1, 1]; bytes have silence at 128, and 24 bits the upper ones of 32."""
    if sound.dtype.kind == "f":
        return sound.astype(np.float32)
    half = 2.0 ** (8 * sound.dtype.itemsize - 1)
    return ((sound.astype(np.float64) - half * (sound.dtype.kind == "u")) / half).astype(np.float32)
