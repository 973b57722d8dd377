"""One run from its configuration to its results."""

import io
import logging
import os
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from torch.optim import Optimizer
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from aeexp.app.build import build
from aeexp.app.parts import make_data, make_model, make_task, trainable
from aeexp.data.images import Images
from aeexp.evaluation.subject import Subject
from aeexp.runs.facts import environment, peak_memory
from aeexp.runs.files import write
from aeexp.runs.run import Run
from aeexp.training.checkpoints import Checkpoints
from aeexp.training.pictures import Reconstructions
from aeexp.training.progress import NoProfiler, progress
from aeexp.training.task import Task
from aeexp.types import UserError


def train(run: Run, config: dict[str, Any]) -> None:
    """Trains what is not trained, measures what is not measured, and keeps all of it in the run's directory."""
    torch.manual_seed(config["seed"])
    task, data = _wired(config, config["threads"])
    if not run.trained:
        twin = run.twin()  # another row of the table, which is only measured otherwise
        if twin is None:
            fit(run, config, task, data)
        else:
            run.adopt(twin)
        parameters = sum(parameter.numel() for parameter in task.model.parameters())
        run.mark_trained({"parameters": parameters, "weights_of": twin.path.name if twin else None})
    measure(run, config, task, data)


def evaluate(run: Run, config: dict[str, Any], threads: int) -> None:
    """Measures what is not measured of a trained run."""
    measure(run, config, *_wired(config, threads))


def fit(run: Run, config: dict[str, Any], task: Task, data: Images) -> None:
    """Goes on from the last checkpoint, where there is one."""
    last = run.checkpoints / "last.ckpt"
    if not last.exists():
        task.model.initialize(data.train.batches(1000))
    if not trainable(task.model):
        write(run.checkpoints / f"{config['checkpoint']}.ckpt", _bytes({"state_dict": task.state_dict()}))
        return
    if last.exists():
        load(last)
    shown = progress()
    trainer = build(
        config["trainer"],
        "trainer",
        logger=TensorBoardLogger(run.path, name="", version="", default_hp_metric=False),
        callbacks=[
            Checkpoints(run.checkpoints),
            shown,
            Reconstructions(data),
            *build(config["schedule"], "schedule").values(),
        ],
        default_root_dir=run.path,
        enable_model_summary=False,
        enable_progress_bar=isinstance(shown, ProgressBar),
        num_sanity_val_steps=0,
        log_every_n_steps=0,  # the task logs once an epoch
        profiler=NoProfiler(),
        use_distributed_sampler=False,  # the data's sampler knows the processes
    )
    trainer.fit(task, datamodule=data, ckpt_path=last if last.exists() else None)
    if trainer.interrupted:
        raise KeyboardInterrupt


def measure(run: Run, config: dict[str, Any], task: Task, data: Images) -> None:
    """Runs each protocol of `evaluation` whose settings are not among the results."""
    wanted = {name: node for name, node in config["evaluation"].items() if run.protocol(name, node) is None}
    if not wanted:
        return
    optimizer = restore(run.checkpoints / f"{config['checkpoint']}.ckpt", task)
    subject = Subject(task.model, data, optimizer)
    with SummaryWriter(run.path, purge_step=None) as board:
        for name, node in wanted.items():
            start = time.perf_counter()
            result = build(node, f"evaluation.{name}")(subject)
            metrics = {f"{name}/{metric}": value for metric, value in result.metrics.items()}
            for title, figure in result.figures.items():
                write(run.figures / f"{title}.png", _png(figure))
                board.add_figure(f"{name}/{title}", figure)
            entry = {
                "protocol": name,
                "settings": node,
                "metrics": metrics,
                "seconds": time.perf_counter() - start,
            }
            facts = {
                "seed": config["seed"],
                "split": data.digest,
                "peak_memory": peak_memory(),
                **environment(),
            }
            run.add(entry, facts)
        for summary in hparams(_hyperparameters(config), run.metrics):
            board.file_writer.add_summary(summary)
        for name, value in run.metrics.items():
            board.add_scalar(name, value)


def restore(path: Path, task: Task) -> Optimizer | None:
    """Puts a checkpoint's weights into the task; the optimizer as it was then, or None where nothing was trained."""
    checkpoint = load(path)
    task.load_state_dict(checkpoint["state_dict"])
    if "optimizer_states" not in checkpoint:
        return None
    optimizer = task.configure_optimizers()
    optimizer.load_state_dict(checkpoint["optimizer_states"][0])
    return optimizer


def load(path: Path) -> dict[str, Any]:
    """A checkpoint's content, tensors and plain values only. UserError where the file is damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path} is not there: the run was not trained to its end; train it again") from None
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path} cannot be read ({reason}): remove it, and the run starts from what is left") from None


def quiet() -> None:
    """Without Lightning's tips, and its warnings that a user can do nothing about, by name."""
    # Lightning sets this for processes that fork after CUDA has started, which none does here. Without a GPU it makes
    # every step of Adam look for NVIDIA's library on the disk, a tenth of a step at batch 10.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # the data are in memory
        ".*isinstance.treespec, LeafSpec.* is deprecated.*",  # Lightning's own use of torch
    ):
        warnings.filterwarnings("ignore", message)


def _wired(config: dict[str, Any], threads: int) -> tuple[Task, Images]:
    """The data, loaded and split, and the task for it."""
    quiet()
    torch.set_num_threads(threads)
    data = make_data(config)
    data.prepare_data()
    data.setup()
    return make_task(config, make_model(config, data.shape)), data


def _hyperparameters(config: dict[str, Any]) -> dict[str, Any]:
    return {**config["choices"], "bottleneck": config["bottleneck"]["dim"], "seed": config["seed"]}


def _bytes(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
