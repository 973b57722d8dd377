"""The two checkpoints of a run: the last epoch's, from which it goes on, and the one with the least val/loss.

Where these are the same they are one file.

Lightning's ModelCheckpoint, once for each of them, costs a tenth of a step at batch 10: every callback is called six
times a step, and it spells out its whole configuration each time.
"""

import io
import time
import zipfile
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint

from aeexp.files import link, write


class Checkpoints(Checkpoint):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.best: dict[str, float] = {}  # val/<term> in the epoch with the least val/loss
        self.last: dict[str, float] = {}  # <term>, its mean over the training examples of the last epoch
        self.seconds = 0.0  # of training and validation, without what a kill cost
        self.device = ""  # where it was trained

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.started = time.perf_counter() - self.seconds
        self.device = name_of(module.device)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.seconds = time.perf_counter() - self.started
        self.keep(trainer, {name: value.item() for name, value in trainer.callback_metrics.items()})

    def keep(self, trainer: pl.Trainer, numbers: dict[str, float]) -> None:
        """The epoch that has ended, with its curves' numbers."""
        self.last = {name.removeprefix("train/"): value for name, value in numbers.items() if name.startswith("train/")}
        metrics = {name: value for name, value in numbers.items() if name.startswith("val/")}
        if not metrics or metrics["val/loss"] < self.best.get("val/loss", float("inf")):
            self.best = metrics
            # the best first: a run that is killed between the two goes back an epoch, and finds it again
            trainer.save_checkpoint(self.folder / "best.ckpt")
            if trainer.is_global_zero:
                link(self.folder / "best.ckpt", self.folder / "last.ckpt")
        else:
            trainer.save_checkpoint(self.folder / "last.ckpt")

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "last": self.last, "seconds": self.seconds, "device": self.device}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.seconds = state["best"], state["seconds"]


def name_of(device: torch.device) -> str:
    """`cpu`, or what a GPU is called."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


class WholeFiles(TorchCheckpointIO):
    """Lightning's own writes in the system's temporary folder, from where a file may have to be copied."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        write(Path(path), packed(checkpoint))


def packed(content: Any) -> bytes:
    """What torch.save writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def unpacked(path: Path) -> Any:
    """What `packed` wrote: tensors and plain values only, on the CPU.

    An exception where that cannot be, also where torch.load sees nothing: it does not compare checksums, so that a
    weight whose bits have changed on the disk is read as another number, and it expands what is compressed, which
    `packed` never is.
    """
    with zipfile.ZipFile(path) as parts:
        if any(part.file_size != part.compress_size for part in parts.infolist()):
            raise ValueError("it is compressed")
        damaged = parts.testzip()
    if damaged:
        raise ValueError(f"the checksum of {damaged} is another")
    return torch.load(path, map_location="cpu", weights_only=True)
