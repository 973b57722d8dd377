"""Codes, with thumbnails and labels, as the files that TensorBoard's projector reads."""

import tempfile
from pathlib import Path

from torch import Tensor
from torch.nn.functional import pad
from torch.utils.tensorboard import SummaryWriter

EXAMPLES = 400  # what a browser turns without effort
WIDEST = 256  # a code that is wider loads slowly, and its projection tells less of it
SIDE = 8192  # pixels: the most that a browser takes as one image, which holds all thumbnails


def impossible(codes: Tensor, x: Tensor) -> str | None:
    """Why codes (N, D) of images x (N, *shape) are not projected, or None."""
    if codes.shape[1] > WIDEST:
        return f"a code of {codes.shape[1]} numbers is wider than the {WIDEST} that are projected"
    if x.dim() != 4 or x.shape[1] not in (1, 3):
        return f"examples of shape {tuple(x.shape[1:])} are no gray or coloured images"
    if max(x.shape[2:]) * len(x) ** 0.5 > SIDE:
        return f"{len(x)} thumbnails of {x.shape[2]}x{x.shape[3]} pixels do not fit into one image of {SIDE}x{SIDE}"
    return None


def files(codes: Tensor, x: Tensor, labels: list[str]) -> dict[str, bytes]:
    """Codes (N, D), images x (N, C, H, W) in [0, 1] and N labels -> names and contents, the index last."""
    with tempfile.TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            space = pad(codes, (0, max(0, 3 - codes.shape[1])))  # a code of two numbers would not be drawn
            writer.add_embedding(space, metadata=labels, label_img=x, tag="code")
        paths = sorted(path for path in Path(folder).rglob("*.*") if "tfevents" not in path.name)
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}
