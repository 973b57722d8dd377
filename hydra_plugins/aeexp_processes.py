"""hydra/launcher=processes: the runs of a sweep side by side, one process a slot, tasks handed out as slots get free.

A worker imports torch once and takes run after run. One that is killed or crashes costs its run alone, which is tried
once more in a fresh worker; Ctrl-C ends them all, and a worker whose parent is gone ends by itself.
"""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from aeexp.app.jobs import failed, returned

SECONDS = 1.0  # between two looks for the parent


class ProcessLauncher(Launcher):
    """`jobs` runs at a time; null: as many as the machine has cores for runs of `threads` threads."""

    def __init__(self, jobs: int | None, threads: int) -> None:
        self.jobs, self.threads = jobs, threads

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """A worker composes a run from its overrides, and needs nothing of Hydra's."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from aeexp.app.cli import train_point  # here, because Hydra imports every plugin at every start

        slots = min(self.jobs or max(1, cores() // self.threads), len(job_overrides))
        if slots == 1:
            return [_in_this_process(train_point, list(words)) for words in job_overrides]
        return _side_by_side([list(words) for words in job_overrides], slots)


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _side_by_side(jobs: list[list[str]], slots: int) -> list[JobReturn]:
    from pebble import ProcessExpired, ProcessPool

    from aeexp.app.cli import train_point

    # spawned, not forked: a fork of a process that runs threads, or that has used a GPU, is not safe
    pool = ProcessPool(
        slots, initializer=_begin, initargs=(os.getpid(), sys.path), context=multiprocessing.get_context("spawn")
    )
    try:
        waiting = [pool.schedule(train_point, (words,)) for words in jobs]
        done = []
        for words, future in zip(jobs, waiting, strict=True):
            try:
                done.append(returned(future.result()))
            except ProcessExpired:  # the worker is gone, with this run alone
                done.append(_again(pool, train_point, words))
            except Exception as error:
                done.append(failed(error))
        return done
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.close()
        pool.join()


def _again(pool: Any, function: Any, words: list[str]) -> JobReturn:
    """A run whose worker was lost goes on from its checkpoint, once."""
    try:
        return returned(pool.schedule(function, (words,)).result())
    except Exception as error:
        return failed(error)


def _in_this_process(function: Any, words: list[str]) -> JobReturn:
    try:
        return returned(function(words))
    except Exception as error:
        return failed(error)


def _begin(parent: int, path: list[str]) -> None:
    """In a new worker: the parent's modules, and a thread that ends the worker when the parent is gone."""
    sys.path[:] = path

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
