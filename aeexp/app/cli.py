"""The two programs: train.py and evaluate.py. What needs torch is imported after the command line was read."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from aeexp.app import words
from aeexp.app.composing import composed, plain, settled
from aeexp.app.help import of_program
from aeexp.app.sentences import one_sentence, print_metrics
from aeexp.app.sweep import for_each_point, points, with_table
from aeexp.errors import UserError
from aeexp.report.escape import printable
from aeexp.runs.failures import sentence
from aeexp.runs.identity import directory
from aeexp.runs.records import directories
from aeexp.runs.run import Locked, Run


def launch(main: Callable[[], None]) -> None:
    """Runs train.py: a sweep is in the hands of `hydra.sweeper`, a single run is checked, run and shown here."""
    overrides, flags = _command_line("train")
    if flags - {"-m", "--multirun"}:  # --cfg and the like are Hydra's own
        main()
        return
    with one_sentence():
        overrides = with_table("train", overrides)
        swept = words.sweeps(overrides)
        if not flags and not swept:
            _single(overrides)
            return
        if swept and not any(word.startswith("sweep=") for word in overrides) and _unnamed(overrides):
            overrides.append(f"sweep={words.sweep_name(overrides)}")
        overrides = for_each_point(overrides)
        composed("train", [text for text in overrides if not words.sweeps([text])])  # as Hydra will, which says less
    sys.argv[1:] = [*overrides, "--multirun"]
    main()


def _unnamed(overrides: list[str]) -> bool:
    """Whether neither the table nor the experiment names the folder of a sweep."""
    chosen = [text for text in overrides if text.partition("=")[0] in ("table", "experiment")]
    return bool(composed("train", [text for text in chosen if not words.sweeps([text])]).sweep == "single")


def _single(overrides: list[str]) -> None:
    sweep = list(points("train", overrides))  # a misspelt word is refused before torch is imported
    from aeexp.app.multirun import checked, show, writable

    (point,) = checked(sweep)
    folder = writable(point.config)
    causes: dict[Path, str] = {}
    try:
        train_one(point.config)
    except Exception as error:
        causes[point.run.path] = sentence(error)
    show(folder, [point], causes)


def train(config: DictConfig) -> dict[str, float]:
    """One run of a sweep; its metrics and those of its best epoch."""
    return train_one(settled(config, HydraConfig.get()), alone=False)


def train_point(overrides: list[str]) -> dict[str, float]:
    """The run of a sweep that these overrides describe, as a worker process gets it."""
    (point,) = points("train", overrides)
    return train_one(point.config, alone=False)


def train_points(jobs: list[list[str]]) -> list[dict[str, float] | Exception]:
    """What came of each of these runs of a sweep; several are trained together, as far as that can be."""
    if len(jobs) > 1:
        from aeexp.app.together import train_together

        train_together(jobs)
    outcomes: list[dict[str, float] | Exception] = []
    for job in jobs:
        try:
            outcomes.append(train_point(job))
        except Exception as error:
            outcomes.append(error)
    return outcomes


def train_one(values: dict[str, Any], alone: bool = True) -> dict[str, float]:
    """Trains and measures. A run keeps its own failure in its status; what could not be kept there is raised."""
    from aeexp import report
    from aeexp.app import session

    run = Run(directory(values))
    if run.finished(values["evaluation"]) and not values["force"]:
        print(f"{run.path}  finished before")
        return run.numbers
    if alone:
        print(f"{run.path}", flush=True)
    try:
        with run.working(values):
            session.train(run, values, alone)
    except Locked as error:
        print(error)
    except Exception as error:
        if not run.failed_with(error):
            raise
        if not isinstance(error, UserError | OSError):
            print(f"the traceback is in {run.path / 'status.json'}")
    if values["table"] is not None:
        report.refresh(run.path.parent)
    return run.numbers


def launch_evaluation(main: Callable[[], None]) -> None:
    """Runs evaluate.py."""
    overrides, flags = _command_line("evaluate")
    if flags:
        main()
        return
    with one_sentence():
        evaluate(composed("evaluate", overrides))


def evaluate(config: DictConfig) -> None:
    """Measures every run below `run`; what a run was comes from its own configuration."""
    from aeexp import report
    from aeexp.app import session

    runs, failures = _runs(config), []
    for run in runs:
        print(printable(str(run.path)), flush=True)
        try:
            values = _measured_with(run, config)
            session.evaluate(run, values, config.threads)
            print_metrics(run.metrics)
        except (UserError, OSError) as error:
            failures.append(f"{run.path}: {sentence(error)}")
    if len(runs) > 1:
        print(report.show_page(Path(config.run)))
    if failures:
        raise UserError("; ".join(failures))


def _measured_with(run: Run, config: DictConfig) -> dict[str, Any]:
    """The run's own configuration with the protocols that were asked for, whose interpolations read it.

    Where the run lies decides where something is kept, and not what its configuration says.
    """
    values = run.config
    if not values:
        raise UserError(f"{run.path / 'config.yaml'} is missing, without which nobody knows what the run was")
    refuse_interpolations(values, str(run.path / "config.yaml"))
    stored = OmegaConf.create({**values, "runs": str(run.root), "evaluation": {}})
    if "cache" in stored.data.get("source", {}):
        stored.data.source.cache = str(run.root / ".decoded")
    stored.data.root = config.data.root or stored.data.root
    return plain(OmegaConf.merge(stored, {"evaluation": config.evaluation}))


def refuse_interpolations(node: Any, where: str) -> None:
    """UserError where a stored configuration holds `${...}`: a resolved one has none, and they read the environment."""
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        refuse_interpolations(value, where)
    if isinstance(node, str) and "${" in node:
        raise UserError(f"{where} holds the interpolation {node[:40]!r}, which no run stores: choose the plain value")


def _command_line(name: str) -> tuple[list[str], set[str]]:
    """The overrides, as Hydra takes them, and the flags."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(of_program(name))
        sys.exit()
    with one_sentence():
        sys.argv[1:] = [word if word.startswith("-") else words.read(word) for word in sys.argv[1:]]
    overrides = [word for word in sys.argv[1:] if not word.startswith("-")]
    return overrides, set(sys.argv[1:]) - set(overrides)


def _runs(config: DictConfig) -> list[Run]:
    if OmegaConf.is_missing(config, "run"):
        raise UserError("say which run: run=<its directory>, or one that holds several")
    runs = [Run(path) for path in directories(Path(config.run)) if (path / "results.json").exists()]
    if not runs:
        raise UserError(f"run={config.run} holds no trained run: give the directory of one, or of a sweep, in `runs`")
    return runs
