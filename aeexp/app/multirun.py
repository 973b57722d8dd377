"""A sweep: every point is checked before the first one runs, what is finished is not launched, failures are listed."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.plugins.launcher import Launcher

from aeexp import report
from aeexp.app.components import check
from aeexp.app.sweep import Point, points
from aeexp.errors import UserError
from aeexp.runs.run import Run


def grid(overrides: list[str], launcher: Launcher, max_batch_size: int | None) -> None:
    """Runs what is missing of a sweep, `max_batch_size` points (null: all) handed to the launcher together."""
    with one_sentence():
        sweep = checked(overrides)
        asked = sweep[0].config
        folder = writable(asked)
        if asked["table"] is not None:
            report.announce(folder, asked["table"], [point.config for point in sweep])
        missing = [point for point in sweep if asked["force"] or not point.run.finished(point.config["evaluation"])]
        print(f"{len(sweep)} runs in {folder}, {len(sweep) - len(missing)} of them finished before", flush=True)
        together = max_batch_size or (1 if asked["fail_fast"] else max(1, len(missing)))
        for first in range(0, len(missing), together):
            batch = missing[first : first + together]
            launched(launcher, [point.overrides for point in batch], first)
            if asked["fail_fast"] and any(point.run.state == "failed" for point in batch):
                break
        show(folder, sweep)


def launched(launcher: Launcher, jobs: Sequence[list[str]], first: int) -> list[Any]:
    """What each job returned. UserError where the launcher lost its workers: what they finished is kept."""
    try:
        return [job.return_value for job in launcher.launch(jobs, initial_job_idx=first)]
    except Exception as error:
        cause = " ".join(str(error).split())[:300]
        raise UserError(
            f"{type(launcher).__name__} stopped ({type(error).__name__}: {cause}); what was finished is kept, and the "
            "same command goes on"
        ) from error


def checked(overrides: list[str]) -> list[Point]:
    """Every point of the command line. UserError where one of them cannot be run."""
    sweep = list(points("train", overrides))
    for point in sweep:
        check(point.config)
        point.run.refuse_other(point.config)
    return sweep


def writable(config: dict[str, Any]) -> Path:
    """The folder of a sweep's runs, made where it is not there. UserError where that cannot be."""
    folder = Path(config["runs"]) / config["sweep"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f".{os.getpid()}").touch()
        (folder / f".{os.getpid()}").unlink()
    except OSError as error:
        raise UserError(
            f"runs={config['runs']} cannot be written: {error.strerror}; choose another with runs="
        ) from None
    return folder


def show(folder: Path, sweep: list[Point]) -> None:
    """The table of a sweep, or the numbers of a run; UserError where a run failed or was interrupted."""
    if len(sweep) > 1:
        print(report.refresh(folder, force=True))
    else:
        for name, value in sweep[0].run.metrics.items():
            print(f"  {name:40} {value:.6g}")
    print(f"TensorBoard: tensorboard --logdir {folder.parent}", flush=True)
    if len(sweep) == 1 and sweep[0].run.state == "failed":
        raise UserError(sweep[0].run.status["error"])
    states = [(point, point.run.state) for point in sweep if point.run.path.exists()]
    failed = [_failure(point) for point, state in states if state == "failed"]
    interrupted = sum(state == "interrupted" for _, state in states)
    causes = [f"{len(failed)} of {len(sweep)} runs failed, the others are kept:", *failed] if failed else []
    if interrupted:
        causes.append(f"{interrupted} of {len(sweep)} runs were interrupted: the same command goes on with them")
    if causes:
        raise UserError("\n".join(causes))


def _failure(point: Point) -> str:
    run: Run = point.run
    status = run.path / "status.json"
    return f"  {run.path} ({' '.join(point.overrides)}): {run.status['error']} (traceback: {status})"


@contextmanager
def one_sentence() -> Iterator[None]:
    """What a user can mend ends the program with a sentence; Ctrl-C with another."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
