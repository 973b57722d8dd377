"""Search by Optuna, with a journal on disk: it goes on after a kill, with neither a lost nor a repeated trial."""

import hashlib
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

from aeexp.app.components import check
from aeexp.app.multirun import launched, one_sentence, show, writable
from aeexp.app.sweep import Point, parsed, points
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
            _until(study, n_trials, at_once, space, fixed, launcher, metric)
        done = study.get_trials(states=(TrialState.COMPLETE,))
        if done:
            best = study.best_trial
            words = " ".join(f"{key}={value}" for key, value in best.params.items())
            print(f"best of {len(done)} trials: {metric} {best.value:.6g} with {words}")
        show(folder, [_point(fixed, trial.params) for trial in study.trials])


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
) -> None:
    while True:
        # a trial that was running when the program was killed is taken up again: its run goes on from its checkpoint
        waiting = [Trial(study, trial._trial_id) for trial in study.get_trials(states=(TrialState.RUNNING,))]
        fresh = min(at_once - len(waiting), n_trials - len(study.trials))
        trials = [*waiting, *(study.ask() for _ in range(fresh))]
        if not trials:
            return
        jobs = [_words(fixed, {key: trial._suggest(key, of) for key, of in space.items()}) for trial in trials]
        for trial, numbers in zip(trials, launched(launcher, jobs, trials[0].number), strict=True):
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
        return FloatDistribution(value.start, value.end, log="log" in value.tags)
    if override.is_range_sweep():
        steps = list(value.range())
        return IntDistribution(int(steps[0]), int(steps[-1]), step=int(value.step))
    return CategoricalDistribution(list(override.sweep_string_iterator()))


def _ends(of: Dimension) -> tuple[Any, Any]:
    """Its first value and its last."""
    return (of.choices[0], of.choices[-1]) if isinstance(of, CategoricalDistribution) else (of.low, of.high)


def _words(fixed: list[str], params: dict[str, Any]) -> list[str]:
    return [*fixed, *(f"{key}={value}" for key, value in params.items())]


def _point(fixed: list[str], params: dict[str, Any]) -> Point:
    (point,) = points("train", _words(fixed, params))
    return point
