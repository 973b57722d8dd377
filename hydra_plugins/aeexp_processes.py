"""hydra/launcher=processes: the runs of a sweep side by side, one process a slot, tasks handed out as slots get free;
hydra/launcher=vectorized: the same of groups of runs, each trained as one.

A worker imports torch once and takes run after run. One that is killed or crashes costs its run alone, which is tried
once more in a fresh worker; Ctrl-C ends them all, and a worker whose parent is gone ends by itself.
"""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from math import ceil

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from aeexp.app.jobs import failed, returned

SECONDS = 1.0  # between two looks for the parent


class ProcessLauncher(Launcher):
    """`jobs` runs at a time, or groups of `together` runs; null: as many as the machine has cores for `threads`."""

    def __init__(self, jobs: int | None, threads: int, together: int = 1) -> None:
        self.jobs, self.threads, self.together = jobs, threads, together

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """A worker composes a run from its overrides, and needs nothing of Hydra's."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        jobs = [list(words) for words in job_overrides]
        slots = self.jobs or max(1, cores() // self.threads)
        places = self._groups(jobs, slots)
        slots = min(slots, len(places))
        work = _one_after_another if slots == 1 else partial(_side_by_side, slots=slots)
        done = dict(zip(chain(*places), chain(*work([[jobs[i] for i in group] for group in places])), strict=True))
        return [done[i] for i in range(len(jobs))]

    def _groups(self, jobs: list[list[str]], slots: int) -> list[list[int]]:
        """The places of the jobs that one worker does, one after another or together, with something for each slot."""
        if self.together == 1:
            return [[i] for i in range(len(jobs))]
        from aeexp.app.together import groups  # here, because Hydra imports every plugin at every start

        return groups(jobs, min(self.together, ceil(len(jobs) / slots)))


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _side_by_side(groups: list[list[list[str]]], slots: int) -> list[list[JobReturn]]:
    from pebble import ProcessExpired, ProcessPool

    from aeexp.app.cli import train_points

    # spawned, not forked: a fork of a process that runs threads, or that has used a GPU, is not safe
    pool = ProcessPool(
        slots, initializer=_begin, initargs=(os.getpid(), sys.path), context=multiprocessing.get_context("spawn")
    )
    try:
        waiting = [pool.schedule(train_points, (group,)) for group in groups]
        done = []
        for group, future in zip(groups, waiting, strict=True):
            if isinstance(future.exception(), ProcessExpired):  # the worker is gone, with this group alone: once more
                future = pool.schedule(train_points, (group,))
            done.append(_returned(group, future.result))
        return done
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.close()
        pool.join()


def _one_after_another(groups: list[list[list[str]]]) -> list[list[JobReturn]]:
    from aeexp.app.cli import train_points

    return [_returned(group, partial(train_points, group)) for group in groups]


def _returned(group: list[list[str]], work: Callable[[], list[dict[str, float] | Exception]]) -> list[JobReturn]:
    """What came of each run of a group; where the work itself fails, that is what came of all of them."""
    try:
        return [failed(each) if isinstance(each, Exception) else returned(each) for each in work()]
    except Exception as error:
        return [failed(error)] * len(group)


def _begin(parent: int, path: list[str]) -> None:
    """In a new worker: the parent's modules, and a thread that ends the worker when the parent is gone."""
    sys.path[:] = path

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
