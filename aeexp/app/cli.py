"""The two programs: train.py and evaluate.py."""

import sys
from collections.abc import Callable
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from aeexp import report
from aeexp.app import session
from aeexp.app.multirun import checked, one_sentence, show, writable
from aeexp.app.sweep import check_options, composed, for_each_point, plain, quoted, settled, sweeps, with_table
from aeexp.errors import UserError
from aeexp.runs.run import Locked, Run, directory, find


def launch(main: Callable[[], None]) -> None:
    """Runs train.py: a sweep is in the hands of `hydra.sweeper`, a single run is checked and shown here."""
    words, flags = _command_line()
    if flags - {"-m", "--multirun"}:  # --help, --cfg and the like are Hydra's own
        main()
        return
    with one_sentence():
        overrides = with_table("train", words)
        several = bool(flags) or sweeps(overrides)
        sweep = [] if several else checked(overrides)
        folder = None if several else writable(sweep[0].config)
        if several:
            overrides = for_each_point(overrides)
            composed("train", [text for text in overrides if not sweeps([text])])  # as Hydra will, which says less
    sys.argv[1:] = [*overrides, "--multirun"] if several else overrides
    main()
    if folder:
        with one_sentence():
            show(folder, sweep)


def train(config: DictConfig) -> dict[str, float]:
    """One run; its metrics and those of its best epoch. It keeps its own failure, which the end of a sweep tells."""
    values = settled(config, HydraConfig.get())
    run = Run(directory(values))
    if run.finished(values["evaluation"]) and not values["force"]:
        print(f"{run.path}  finished before")
        return run.numbers
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
    return run.numbers


def launch_evaluation(main: Callable[[], None]) -> None:
    """Runs evaluate.py."""
    words, flags = _command_line()
    if not flags:
        with one_sentence():
            _runs(composed("evaluate", words))
    main()


def evaluate(config: DictConfig) -> None:
    """Measures every run below `run`; what a run was comes from its own configuration."""
    with one_sentence():
        runs, failures = _runs(config), []
        for run in runs:
            stored = OmegaConf.create({**run.config, "evaluation": {}})
            stored.data.root = config.data.root or stored.data.root
            values = plain(OmegaConf.merge(stored, {"evaluation": config.evaluation}))
            try:
                session.evaluate(run, values, config.threads)
            except UserError as error:
                failures.append(f"{run.path}: {error}")
            print(run.path, flush=True)
            for name, value in run.metrics.items():
                print(f"  {name:40} {value:.6g}")
        if len(runs) > 1:
            print(report.show_page(Path(config.run)))
        if failures:
            raise UserError("; ".join(failures))


def _command_line() -> tuple[list[str], set[str]]:
    """The overrides, as Hydra takes them, and the flags."""
    with one_sentence():
        for word in sys.argv[1:]:
            check_options(word)
    sys.argv[1:] = [quoted(word) for word in sys.argv[1:]]
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    return words, set(sys.argv[1:]) - set(words)


def _runs(config: DictConfig) -> list[Run]:
    if OmegaConf.is_missing(config, "run"):
        raise UserError("say which run: run=<its directory>, or one that holds several")
    runs = [run for run in find(Path(config.run)) if run.trained]
    if not runs:
        raise UserError(f"run={config.run} holds no trained run: give the directory of one, or of a sweep, in `runs`")
    return runs
