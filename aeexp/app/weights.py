"""The checkpoints of a run: read, put into a task, and thrown away where they are damaged."""

import shutil
from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from aeexp.errors import UserError
from aeexp.runs.run import Run
from aeexp.training.checkpoints import unpacked
from aeexp.training.task import Task

REMEDY = ": train the run again, which makes it anew"


def restore(path: Path, task: Task) -> Optimizer | None:
    """Puts a checkpoint's weights into the task; the optimizer as it was then, or None where nothing was trained."""
    checkpoint = load(path)
    try:
        task.load_state_dict(checkpoint["state_dict"])
    except (RuntimeError, KeyError, TypeError):
        raise UserError(f"{path} is of another model than its config.yaml{REMEDY}") from None
    if "optimizer_states" not in checkpoint:
        return None
    optimizer = task.configure_optimizers()
    optimizer.load_state_dict(checkpoint["optimizer_states"][0])
    return optimizer


def load(path: Path) -> dict[str, Any]:
    """A checkpoint's content, tensors and plain values only. UserError where the file is damaged."""
    try:
        return unpacked(path)
    except FileNotFoundError:
        damage = "is not there"
    except Exception as error:
        damage = f"cannot be read ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
    raise UserError(f"{path} {damage}{REMEDY}")


def discard_damaged(run: Run, config: dict[str, Any]) -> None:
    """Removes the checkpoints where one of them cannot be read, so that the training starts again."""
    damage = damage_of(run, config)
    if damage:
        print(f"{damage}: the training starts again", flush=True)
        shutil.rmtree(run.checkpoints)


def damage_of(run: Run, config: dict[str, Any]) -> str | None:
    """What is wrong with a checkpoint of the run; None where all can be read, or none is there yet."""
    kept = {*run.checkpoints.glob("*.ckpt")}
    for path in sorted(kept | {run.checkpoints / f"{config['checkpoint']}.ckpt"} if kept else ()):
        try:
            load(path)
        except UserError as damage:
            return damage.args[0].removesuffix(REMEDY)
    return None
