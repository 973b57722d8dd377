"""The two checkpoints of a run: the last epoch's, from which it goes on, and the one with the least val/loss.

Lightning's ModelCheckpoint, once for each of them, costs a tenth of a step at batch 10: every callback is called six
times a step, and it spells out its whole configuration each time.
"""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint


class Checkpoints(Checkpoint):
    def __init__(self, folder: Path) -> None:
        self.folder, self.least = folder, float("inf")

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        value = trainer.callback_metrics.get("val/loss")
        if value is None or value < self.least:
            self.least = self.least if value is None else value.item()
            # the best first: a run that is killed between the two goes back an epoch, and finds it again
            trainer.save_checkpoint(self.folder / "best.ckpt")
        trainer.save_checkpoint(self.folder / "last.ckpt")

    def state_dict(self) -> dict[str, Any]:
        return {"least": self.least}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.least = state["least"]
