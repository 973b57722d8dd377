"""The two programs: train.py and evaluate.py."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from aeexp import report
from aeexp.app import session
from aeexp.app.parts import check
from aeexp.app.sweep import check_options, composed, for_each_point, plain, points, quoted, settled, with_table
from aeexp.runs.run import Locked, Run, directory, find
from aeexp.types import UserError


def launch(main: Callable[[], None]) -> None:
    """Runs train.py: checks every point before the first one starts, hands over to Hydra, shows what came out."""
    words, flags = _command_line()
    if flags - {"-m", "--multirun"}:  # --help, --cfg and the like are Hydra's own
        main()
        return
    with _one_sentence():
        overrides = with_table("train", words)
        sweep = _checked(overrides)
        folder = _writable(sweep[0])
        if sweep[0]["table"] is not None:
            report.announce(folder, sweep[0]["table"], sweep)
    several = bool(flags) or len(sweep) > 1
    sys.argv[1:] = [*for_each_point(overrides), "--multirun"] if several else overrides
    main()
    with _one_sentence():
        _show(folder, [Run(directory(config)) for config in sweep], several)


def train(config: DictConfig) -> None:
    """One run, which keeps its own failure: a sweep goes on, and `launch` tells of it at the end."""
    values = settled(config, HydraConfig.get())
    run = Run(directory(values))
    if run.finished(values["evaluation"]):
        print(f"{run.path}  finished before")
        return
    print(f"{run.path}", flush=True)
    try:
        with run.working(values):
            session.train(run, values)
    except KeyboardInterrupt:
        sys.exit(f"interrupted: the same command goes on from {run.checkpoints}")
    except Locked as error:
        print(error)
    except Exception as error:
        if not isinstance(error, UserError):
            print(f"the traceback is in {run.path / 'status.json'}")
    if values["table"] is not None:
        report.refresh(run.path.parent)


def launch_evaluation(main: Callable[[], None]) -> None:
    """Runs evaluate.py."""
    words, flags = _command_line()
    if not flags:
        with _one_sentence():
            _runs(composed("evaluate", words))
    main()


def evaluate(config: DictConfig) -> None:
    """Measures every run below `run`; what a run was comes from its own configuration."""
    with _one_sentence():
        runs, failures = _runs(config), []
        for run in runs:
            stored = OmegaConf.create({**run.config, "evaluation": {}})
            values = plain(OmegaConf.merge(stored, {"evaluation": config.evaluation}))
            values["data"]["root"] = config.data.root or values["data"]["root"]
            try:
                session.evaluate(run, values, config.threads)
            except UserError as error:
                failures.append(f"{run.path}: {error}")
            print(run.path)
            for name, value in run.metrics.items():
                print(f"  {name:40} {value:.6g}")
        if failures:
            raise UserError("; ".join(failures))


def _command_line() -> tuple[list[str], set[str]]:
    """The overrides, as Hydra takes them, and the flags."""
    with _one_sentence():
        for word in sys.argv[1:]:
            check_options(word)
    sys.argv[1:] = [quoted(word) for word in sys.argv[1:]]
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    return words, set(sys.argv[1:]) - set(words)


def _checked(overrides: list[str]) -> list[dict[str, Any]]:
    """Every point of the sweep. UserError where one of them cannot be run."""
    sweep = list(points("train", overrides))
    for values in sweep:
        check(values)
    return sweep


def _writable(config: dict[str, Any]) -> Path:
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


def _runs(config: DictConfig) -> list[Run]:
    if OmegaConf.is_missing(config, "run"):
        raise UserError("say which run: run=<its directory>, or one that holds several")
    runs = [run for run in find(Path(config.run)) if run.trained]
    if not runs:
        raise UserError(f"run={config.run} holds no trained run: give the directory of one, or of a sweep, in `runs`")
    return runs


def _show(folder: Path, runs: list[Run], several: bool) -> None:
    """The table of a sweep or the numbers of a run; UserError where a run failed."""
    if several:
        print(report.refresh(folder, force=True))
    else:
        for name, value in runs[0].metrics.items():
            print(f"  {name:40} {value:.6g}")
    print(f"TensorBoard: tensorboard --logdir {folder.parent}")
    failed = [run for run in runs if run.status.get("state") == "failed"]
    if failed:
        causes = "\n".join(f"  {run.path}: {run.status['error']}" for run in failed)
        raise UserError(
            f"{len(failed)} of {len(runs)} runs failed, the others are kept:\n{causes}" if several else causes.strip()
        )


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
