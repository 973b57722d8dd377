"""WAV files of examples."""

import io
import wave

from torch import Tensor
from torch.nn.functional import pad

PAUSE = 0.25  # seconds after each example
LOUDEST = 2**15 - 1  # of 16 bits


def wav(examples: Tensor, scale: float, rate: int) -> bytes:
    """Examples (n, samples) in [0, scale], silence in the middle, one after the other: a WAV file, mono, 16 bits."""
    amplitude = (2 * examples.nan_to_num(scale / 2) / scale - 1).clamp(-1, 1)
    samples = pad(amplitude, (0, round(PAUSE * rate))).flatten()
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * LOUDEST).round().numpy().astype("<i2").tobytes())
    return content.getvalue()
