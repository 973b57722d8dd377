"""Runs of one shape, which differ in seeds, labels or weights of terms, trained as one; others are trained alone."""

import json
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache, partial
from typing import Any

import torch

from aeexp.app.build import build
from aeexp.app.check import with_seed_zero
from aeexp.app.components import trainable
from aeexp.app.session import begin, wired
from aeexp.app.sweep import Point, points
from aeexp.app.weights import discard_damaged
from aeexp.app.words import parsed
from aeexp.data.examples import together
from aeexp.errors import UserError
from aeexp.runs.failures import sentence
from aeexp.runs.identity import identity, identity_text
from aeexp.runs.related import duplicate
from aeexp.runs.run import Locked
from aeexp.training.adadelta import Adadelta
from aeexp.training.fit import fit
from aeexp.training.group import GroupTask, Keeper, Member, refuse_own_state
from aeexp.training.group_state import GroupFiles
from aeexp.training.trial import NotTogether, refuse_slower, refuse_unequal

ELEMENTWISE = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop, Adadelta)


def groups(jobs: Sequence[list[str]], most: int) -> list[list[int]]:
    """The places of the jobs whose runs have one shape, at most `most` in a group, in order."""
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, words in enumerate(jobs):
        alike[tuple(word for word in words if not _keeps_shape(word))].append(place)
    return [places[i : i + most] for places in alike.values() for i in range(0, len(places), most)]


def train_together(jobs: Sequence[list[str]]) -> None:
    """Trains these runs up to their last epochs, but does not finish them: they are left as if they had been killed
    then. Says why, where that cannot be."""
    todo = {identity(point.config): point for words in jobs for point in points("train", words) if _untrained(point)}
    with ExitStack() as held:
        mine = []
        for point in todo.values():
            try:
                held.enter_context(point.run.begun(point.config))
                mine.append(point)
            except (Locked, UserError, OSError):
                pass  # which its own turn says
        _try(mine)


def _untrained(point: Point) -> bool:
    return not (point.run.trained or point.config["force"] or duplicate(point.run))


def _try(some: list[Point]) -> None:
    """Trains them together, or what differs in the seed alone, or says why they are left to be trained alone."""
    try:
        _train(some)
    except Exception as error:  # one that is about a run is met again by that run alone
        alike: dict[str, list[Point]] = defaultdict(list)
        for point in some:
            alike[_seedless(point.config)].append(point)
        if len(alike) > 1:
            for part in alike.values():
                _try(part)
        else:
            print(f"{len(some)} runs are trained one after another: {sentence(error)}", flush=True)


def _train(some: list[Point]) -> None:
    if len(some) < 2:
        return
    config = some[0].config
    _refuse(config)
    by_epoch: dict[int, list[Member]] = defaultdict(list)
    for point in some:
        member = _member(point)
        if not trainable(member.task.model):
            return
        by_epoch[member.stored["epoch"] if member.stored else -1].append(member)
    for members in by_epoch.values():
        if len(members) > 1:
            _fit(members, config, some[0])


def _member(point: Point) -> Member:
    config = point.config
    torch.manual_seed(config["seed"])
    task, data = wired(config, config["threads"])
    discard_damaged(point.run, config)
    schedule = [*build(config["schedule"], "schedule").values()]
    return Member(task, data, point.run.path, begin(point.run, config, task, data, schedule), schedule)


def _fit(members: list[Member], config: dict[str, Any], first: Point) -> None:
    datas = [member.data for member in members]
    train = together([data.trained_on for data in datas], [data.train_dataloader().sampler for data in datas])
    val = together([data.val for data in datas], [data.val_dataloader().sampler for data in datas])
    task = GroupTask(members)
    tasks, batch = [member.task for member in members], next(iter(train))
    refuse_unequal(task.models, tasks, batch)
    if not torch.cuda.is_available():  # a GPU has nothing else to do
        refuse_slower(task.models, tasks, batch)
    shared = task.shared
    print(f"{len(members)} runs are trained together, as {first.run.path.name} and its like", flush=True)
    fit(
        partial(build, config["trainer"], "trainer"),
        task,
        first.run.checkpoints / "last.ckpt" if members[0].stored else None,
        {"train_dataloaders": train, "val_dataloaders": val},
        logger=False,
        callbacks=[Keeper(), *shared],
        enable_progress_bar=False,
        plugins=[GroupFiles([member.stored or {} for member in members])],
    )


def _refuse(config: dict[str, Any]) -> None:
    """NotTogether where a part of the configuration looks at all weights at once, or keeps a state for each run."""
    trainer, data = config["trainer"], config["data"]
    if trainer.get("devices", 1) != 1 or trainer.get("gradient_clip_val") is not None:
        raise NotTogether("trainer.devices and trainer.gradient_clip_val are of one model")
    if data.get("binarize") == "dynamic":
        raise NotTogether("data.binarize=dynamic draws outside of the model")
    optimizer = build(config["optimizer"], "optimizer")
    if getattr(optimizer, "func", None) not in ELEMENTWISE:
        raise NotTogether("the optimizer is not known to move each weight by its own gradient alone")
    refuse_own_state(build(config["schedule"], "schedule"))


@cache
def _keeps_shape(word: str) -> bool:
    """Whether runs that differ in this word alone have one shape: a composition of each would take long."""
    (override,) = parsed([word])
    group, _, name = override.get_key_element().partition(".")
    return group in ("seed", "labels") or (
        group in ("model", "code", "corruption") and bool(name) and isinstance(override.value(), float)
    )


def _seedless(config: dict[str, Any]) -> str:
    return json.dumps(with_seed_zero(json.loads(identity_text(config)), config["seed"]), sort_keys=True)
