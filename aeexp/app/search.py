"""Search by Optuna, with a journal on disk: it goes on after a kill, with neither a lost nor a repeated trial."""

import hashlib
import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from hydra.plugins.launcher import Launcher
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from aeexp.app.check import check
from aeexp.app.multirun import launched, show, writable
from aeexp.app.sentences import one_sentence
from aeexp.app.sweep import Point, points
from aeexp.app.words import parsed, quoted
from aeexp.errors import UserError

Dimension = CategoricalDistribution | FloatDistribution | IntDistribution


def search(
    overrides: list[str], launcher: Launcher, n_trials: int, metric: str, direction: str, seed: int, at_once: int
) -> None:
    """Runs trials until there are `n_trials` in all, `at_once` of them together; prints the best.

    A swept override is a dimension: choice(a,b), range(1,9), interval(1e-4,1e-2), tag(log,interval(1e-4,1e-2)).
    """
    with one_sentence():
        space, fixed = _split(overrides)
        if not space or "seed" in space:
            raise UserError("hydra/sweeper=optuna searches what is swept: give a key several values, but not seed")
        corners = [_point(fixed, {key: _ends(of)[end] for key, of in space.items()}) for end in (0, 1)]
        for point in corners:
            check(point.config)
        folder = writable(corners[0].config)
        asked = hashlib.sha256(repr((fixed, space, metric, direction)).encode()).hexdigest()[:8]
        study = _study(folder / "optuna.journal", asked, direction, seed)
        with _alone(folder):
            causes = _until(study, n_trials, at_once, space, fixed, launcher, metric)
        done = study.get_trials(states=(TrialState.COMPLETE,))
        if done:
            best = study.best_trial
            words = " ".join(f"{key}={value}" for key, value in best.params.items())
            print(f"best of {len(done)} trials: {metric} {best.value:.6g} with {words}")
        show(folder, [_point(fixed, trial.params) for trial in study.trials], causes)


def _split(overrides: list[str]) -> tuple[dict[str, Dimension], list[str]]:
    """The dimensions, and the overrides that are no dimension because they have one value."""
    space: dict[str, Dimension] = {}
    fixed = []
    for override, text in zip(parsed(overrides), overrides, strict=True):
        of = _distribution(override) if override.is_sweep_override() else None
        if of is None:
            fixed.append(text)
        elif of.single():
            fixed.append(f"{override.get_key_element()}={_ends(of)[0]}")
        else:
            space[override.get_key_element()] = of
    return space, fixed


def _until(
    study: optuna.Study,
    n_trials: int,
    at_once: int,
    space: dict[str, Dimension],
    fixed: list[str],
    launcher: Launcher,
    metric: str,
) -> dict[Path, str]:
    """Why some trials have no numbers, where their own status may not say it."""
    causes: dict[Path, str] = {}
    while True:
        # a trial that was running when the program was killed is taken up again: its run goes on from its checkpoint
        waiting = [Trial(study, trial._trial_id) for trial in study.get_trials(states=(TrialState.RUNNING,))]
        fresh = min(at_once - len(waiting), n_trials - len(study.trials))
        trials = [*waiting, *(study.ask() for _ in range(fresh))]
        if not trials:
            return causes
        jobs = [_words(fixed, {key: trial._suggest(key, of) for key, of in space.items()}) for trial in trials]
        for trial, outcome in zip(trials, launched(launcher, jobs, trials[0].number), strict=True):
            numbers = outcome.numbers
            if outcome.error:
                causes[_point(fixed, trial.params).run.path] = outcome.error
            if numbers and metric not in numbers:
                raise UserError(
                    f"hydra.sweeper.metric={metric} is not measured; there are {', '.join(sorted(numbers))}"
                )
            study.tell(trial, numbers.get(metric), state=None if numbers else TrialState.FAIL)


def _study(journal: Path, name: str, direction: Any, seed: int) -> optuna.Study:
    """The study of this name: another question asked in the same folder is another study."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if direction not in ("minimize", "maximize"):
        raise UserError(f"hydra.sweeper.direction={direction} is neither minimize nor maximize")
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.create_study(storage=storage, study_name=name, direction=direction, load_if_exists=True)
    # the same seed again would propose the first points again
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    return study


def _alone(folder: Path) -> AbstractContextManager[Any]:
    try:
        return FileLock(folder / ".search", blocking=False).acquire()
    except Timeout:
        raise UserError(f"another process searches in {folder}: choose another folder with sweep=") from None


def _distribution(override: Any) -> Dimension:
    value = override.value()
    if override.is_interval_sweep():
        log = "log" in value.tags
        if isinstance(value.start, int) and isinstance(value.end, int):  # int(interval(1,9))
            return IntDistribution(value.start, value.end, log=log)
        return FloatDistribution(value.start, value.end, log=log)
    if override.is_range_sweep():
        n = math.ceil((value.stop - value.start) / value.step - 1e-9)  # values, the stop is not one of them
        if n < 1:
            raise UserError(f"{override.input_line} has no value: choose a stop beyond the start")
        low, high = sorted((value.start, value.start + (n - 1) * value.step))
        if all(isinstance(each, int) for each in (value.start, value.stop, value.step)):
            return IntDistribution(low, high, step=abs(value.step))
        return FloatDistribution(low, high, step=abs(value.step))
    return CategoricalDistribution(list(override.sweep_string_iterator()))


def _ends(of: Dimension) -> tuple[Any, Any]:
    """Its first value and its last."""
    return (of.choices[0], of.choices[-1]) if isinstance(of, CategoricalDistribution) else (of.low, of.high)


def _words(fixed: list[str], params: dict[str, Any]) -> list[str]:
    return [*fixed, *(quoted(f"{key}={_text(value)}") for key, value in params.items())]


def _text(value: Any) -> str:
    """Without what adding up floats leaves behind: 0.3, not 0.30000000000000004."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _point(fixed: list[str], params: dict[str, Any]) -> Point:
    (point,) = points("train", _words(fixed, params))
    return point
