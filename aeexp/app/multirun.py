"""A sweep: every point is checked before the first one runs, what is finished is not launched, failures are listed."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.utils import JobStatus
from hydra.plugins.launcher import Launcher

from aeexp import report
from aeexp.app.selection import phases
from aeexp.app.sentences import one_sentence, print_metrics
from aeexp.app.sweep import Point, points
from aeexp.app.watch import Watch
from aeexp.errors import UserError
from aeexp.runs.failures import sentence
from aeexp.runs.run import Run


@dataclass(frozen=True)
class Outcome:
    """What a job gave back: its numbers, or why there are none."""

    numbers: dict[str, float] = field(default_factory=dict)
    error: str | None = None


def grid(overrides: list[str], launcher: Launcher, max_batch_size: int | None) -> None:
    """Runs what is missing of a sweep, `max_batch_size` points (null: all) handed to the launcher together."""
    with one_sentence():
        sweep = list(points("train", overrides))
        asked = sweep[0].config
        launches = phases(sweep)
        runs = checked(next(launches))
        folder = writable(asked)
        if asked["table"] is not None:
            report.announce(folder, asked["table"], [point.config for point in sweep])
        causes = _launch_missing(runs, folder, launcher, max_batch_size)
        for confirming in launches:
            causes |= _launch_missing(checked(confirming), folder, launcher, max_batch_size)
            runs += confirming
        show(folder, runs, causes)


def _launch_missing(runs: list[Point], folder: Path, launcher: Launcher, max_batch_size: int | None) -> dict[Path, str]:
    """Launches the runs that are not finished; why some have no numbers, where their own status may not say it."""
    missing = [p for p in runs if p.config["force"] or not p.run.finished(p.config["evaluation"])]
    if runs:
        print(f"{len(runs)} runs in {folder}, {len(runs) - len(missing)} of them finished before", flush=True)
    return _run(missing, launcher, max_batch_size, bool(runs) and runs[0].config["fail_fast"])


def _run(missing: list[Point], launcher: Launcher, max_batch_size: int | None, fail_fast: bool) -> dict[Path, str]:
    """Launches the points; why some have no numbers, where their own status may not say it."""
    causes: dict[Path, str] = {}
    together = max_batch_size or (1 if fail_fast else max(1, len(missing)))
    try:
        with Watch([point.run for point in missing]):
            for first in range(0, len(missing), together):
                batch = missing[first : first + together]
                outcomes = launched(launcher, [point.overrides for point in batch], first)
                causes |= {p.run.path: o.error for p, o in zip(batch, outcomes, strict=True) if o.error}
                if fail_fast and any(not point.run.finished(point.config["evaluation"]) for point in batch):
                    break
    except KeyboardInterrupt:
        done = sum(point.run.finished(point.config["evaluation"]) for point in missing)
        raise KeyboardInterrupt(f"{done} of the {len(missing)} runs were finished and are kept") from None
    return causes


def launched(launcher: Launcher, jobs: Sequence[list[str]], first: int) -> list[Outcome]:
    """What became of each job. A launcher that lost its workers costs the numbers of its jobs, not the sweep."""
    try:
        returns = launcher.launch(jobs, initial_job_idx=first)
    except Exception as error:
        lost = f"{type(launcher).__name__} stopped ({sentence(error)[:300]}); the same command goes on"
        return [Outcome(error=lost)] * len(jobs)
    return [
        Outcome(job._return_value or {})
        if job.status == JobStatus.COMPLETED
        else Outcome(error=sentence(job._return_value))
        for job in returns
    ]


def checked(sweep: list[Point]) -> list[Point]:
    """These points. UserError where one of them cannot be run."""
    from aeexp.app.check import check  # here, with torch, after the words of every point were read

    for point in sweep:
        check(point.config)
        point.run.refuse_other(point.config)
    return sweep


def writable(config: dict[str, Any]) -> Path:
    """The folder of a sweep's runs, made where it is not there. UserError where that cannot be."""
    folder = Path(config["runs"]) / config["sweep"]
    probe = folder / f".{os.getpid()}"
    try:
        str(folder.resolve()).encode()
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(bytes(4096))  # a full disk takes a name, but no content
    except UnicodeEncodeError:
        raise UserError(f"runs={config['runs']} has letters that are not UTF-8; choose another with runs=") from None
    except OSError as error:
        raise UserError(
            f"runs={config['runs']} cannot be written: {error.strerror}; choose another with runs="
        ) from None
    finally:
        with suppress(OSError):  # of a folder that is not there, or read-only
            probe.unlink()
    return folder


def show(folder: Path, sweep: list[Point], causes: dict[Path, str]) -> None:
    """The table of a sweep, or the numbers of a run; UserError where a run has none, with its own cause or `causes`."""
    if len(sweep) > 1:
        print(_table(folder))
    else:
        print_metrics(sweep[0].run.metrics)
    print(f"TensorBoard: tensorboard --logdir {folder.parent}", flush=True)
    missing = [point for point in sweep if not point.run.finished(point.config["evaluation"])]
    failures = [(point, cause) for point in missing if (cause := _cause(point.run, causes))]
    if len(sweep) == 1 and failures:
        raise UserError(failures[0][1])
    lines = [f"  {p.run.path} ({' '.join(p.overrides)}): {cause}{_trace(p.run)}" for p, cause in failures]
    kept = ", the others are kept" if len(failures) < len(sweep) else ""
    heads = [f"{len(failures)} of {len(sweep)} runs failed{kept}:", *lines] if failures else []
    failed = {point.run.path for point, _ in failures}
    stopped = sum(p.run.path.exists() and p.run.state == "interrupted" for p in missing if p.run.path not in failed)
    if stopped:
        heads.append(f"{stopped} of {len(sweep)} runs were interrupted: the same command goes on with them")
    if heads:
        raise UserError("\n".join(heads))


def _table(folder: Path) -> str:
    try:
        return report.refresh(folder, force=True)
    except (UserError, OSError) as error:
        return f"no table was made: {sentence(error)}"


def _cause(run: Run, causes: dict[Path, str]) -> str | None:
    """What the run's status says, or else what its job raised; None where it was interrupted."""
    return (run.status_or_none.get("error") if run.state == "failed" else None) or causes.get(run.path)


def _trace(run: Run) -> str:
    return f" (traceback: {run.path / 'status.json'})" if "traceback" in run.status_or_none else ""
