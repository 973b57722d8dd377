"""One run from its configuration to its results."""

import io
import os
import time
from functools import partial
from math import prod
from typing import Any

import pytorch_lightning as pl
import torch

from aeexp.app.build import build
from aeexp.app.components import code_size, make_data, make_model, make_task, trainable
from aeexp.app.tensorboard import EvaluationEvents
from aeexp.app.weights import damage_of, discard_damaged, load, restore
from aeexp.context.base import EvaluationContext, Result
from aeexp.data.examples import BATCH
from aeexp.data.module import DataModule
from aeexp.errors import NotApplicable
from aeexp.files import refuse_links, write
from aeexp.runs import events
from aeexp.runs.facts import environment, peak_memory
from aeexp.runs.related import duplicate as duplicate_of
from aeexp.runs.related import take_over_shorter
from aeexp.runs.run import Run
from aeexp.training.checkpoints import Checkpoints, WholeFiles, packed
from aeexp.training.fit import fit as train_task
from aeexp.training.logger import ReconstructionGrid, RunLogger
from aeexp.training.progress import progress, quiet
from aeexp.training.task import Task


def train(run: Run, config: dict[str, Any], alone: bool = True) -> None:
    """Trains what is not trained, measures what is not measured, and keeps all of it in the run's directory.

    `alone`: not in a sweep, which has a line for each of its runs, so that none of an epoch is printed.
    """
    torch.manual_seed(config["seed"])
    task, data = wired(config, config["threads"])
    discard_damaged(run, config)
    if not run.trained or not (run.checkpoints / f"{config['checkpoint']}.ckpt").exists():
        duplicate = duplicate_of(run)  # another row of the table, which is only measured otherwise
        if duplicate is None or damage_of(duplicate, config):
            fit(run, config, task, data, progress(run.path.name, alone))
        else:
            run.copy_weights(duplicate)
        facts = {
            "parameters": sum(parameter.numel() for parameter in task.model.parameters()),
            "code_size": code_size(task.model, data.shape),
            "weights_of": duplicate.path.name if duplicate else None,
            # what the configuration may leave to the files, so that the model can be given away without them
            "data": {"shape": list(data.shape), "classes": data.classes, "peak": data.peak},
            **_trained(run, task, data),
        }
        run.mark_trained(facts)
    measure(run, config, task, data, alone)


def _trained(run: Run, task: Task, data: DataModule) -> dict[str, Any]:
    """How long it was trained, val/<term> of its best epoch, and the means over its last epoch, while the weights
    moved: what a log of the training prints."""
    if not trainable(task.model):
        return {"best": {}, "epochs": 0}
    last = load(run.checkpoints / "last.ckpt")
    kept = last["callbacks"][Checkpoints.__qualname__]
    if "recon" in kept.get("last", {}):
        kept["last"]["recon_per_pixel"] = kept["last"]["recon"] / prod(data.shape)
    return {**kept, "epochs": last["epoch"] + 1}


def evaluate(run: Run, config: dict[str, Any], threads: int) -> None:
    """Measures what is not measured of a trained run."""
    refuse_links(run.path)
    task, data = wired(config, threads)
    data.check_content()
    measure(run, config, task, data, True)


def fit(run: Run, config: dict[str, Any], task: Task, data: DataModule, shown: pl.Callback) -> None:
    """Goes on from the last checkpoint, where there is one. KeyboardInterrupt where Ctrl-C ended it."""
    schedule = [*build(config["schedule"], "schedule").values()]
    stored = begin(run, config, task, data, schedule)
    if not trainable(task.model):
        write(run.checkpoints / f"{config['checkpoint']}.ckpt", packed({"state_dict": task.state_dict()}))
        return
    train_task(
        partial(build, config["trainer"], "trainer"),
        task,
        run.checkpoints / "last.ckpt" if stored else None,
        {"datamodule": data},
        logger=RunLogger(run.path),
        callbacks=[
            Checkpoints(run.checkpoints),
            shown,
            ReconstructionGrid(data),
            *schedule,
        ],
        default_root_dir=run.path,
        enable_progress_bar=False,
        plugins=[WholeFiles()],
    )


def begin(
    run: Run, config: dict[str, Any], task: Task, data: DataModule, schedule: list[pl.Callback]
) -> dict[str, Any] | None:
    """The checkpoint that a training goes on from, its own or a shorter run's. None where it starts: the model is
    fitted to what it does not learn."""
    last = run.checkpoints / "last.ckpt"
    if not last.exists() and not config["force"] and all(getattr(each, "any_length", False) for each in schedule):
        shorter = take_over_shorter(run, config)
        if shorter:
            print(f"{run.path} takes over what {shorter.path.name} has learned", flush=True)
            discard_damaged(run, config)
    stored = load(last) if last.exists() else None
    if stored and stored["epoch"] + 1 < config["trainer"]["max_epochs"]:
        print(f"{run.path} goes on from epoch {stored['epoch'] + 1}", flush=True)
    if not stored:
        task.model.initialize(data.train.batches(BATCH))
    events.truncate(run.path, stored["global_step"] if stored else 0)  # away with what was shown of epochs to come
    return stored


def measure(run: Run, config: dict[str, Any], task: Task, data: DataModule, says: bool) -> None:
    """Runs each protocol of `evaluation` whose settings are not among the results; `says` how long each took."""
    wanted = {name: node for name, node in config["evaluation"].items() if run.protocol(name, node) is None}
    if not wanted:
        return
    optimizer = restore(run.checkpoints / f"{config['checkpoint']}.ckpt", task)
    context = EvaluationContext(task.model, data, optimizer, config["choices"]["model"])
    board = EvaluationEvents(run, task, data, context)
    for name, node in wanted.items():
        start = time.perf_counter()
        try:
            result, refused = build(node, f"evaluation.{name}")(context), {}
        except NotApplicable as refusal:
            result, refused = Result({}), {"refused": str(refusal)}
            print(f"{name} is not measured: {refusal}")
        for title, figure in result.figures.items():
            write(run.figures / f"{title}.png", _png(figure))
        for title, sound in result.sounds.items():
            write(run.figures / f"{title}.wav", sound)
        entry = {
            "protocol": name,
            "settings": node,
            "metrics": {f"{name}/{metric}": value for metric, value in result.metrics.items()},
            "figures": [*result.figures],
            "sounds": [*result.sounds],
            "facts": result.facts,
            "seconds": time.perf_counter() - start,
            **refused,
        }
        facts = {"seed": config["seed"], "split": data.digest, "peak_memory": peak_memory(), **environment()}
        if says and not refused:
            print(f"measured {name} in {entry['seconds']:.1f} s", flush=True)
        board.show(entry)  # first: a run whose results are there is not touched again
        run.add(entry, facts)


def wired(config: dict[str, Any], threads: int) -> tuple[Task, DataModule]:
    """The task of a configuration and its data, loaded and split."""
    quiet()
    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # of the processes that a strategy starts
    data = make_data(config)
    data.prepare_data()
    data.setup()
    return make_task(config, make_model(config, data.shape, data.scaling)), data


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
