"""Runs of the same sweep from which a run takes over what they have learned."""

import re
from pathlib import Path
from typing import Any

from aeexp.runs import events
from aeexp.runs.identity import identity_text
from aeexp.runs.run import Run


def duplicate(run: Run) -> Run | None:
    """A trained run of the same identity, under another name."""
    same = run.path.parent.glob(f"*-{run.path.name.rpartition('-')[2]}")
    return next((other for other in map(Run, sorted(same)) if other.path != run.path and other.trained), None)


def take_over_shorter(run: Run, config: dict[str, Any]) -> Run | None:
    """Copies the state and the curves of the trained run of this configuration with the most epochs, but fewer."""
    found: dict[int, Run] = {}
    name = _lengthless(run.path)
    for path in run.path.parent.glob("*"):
        other = Run(path)
        if path != run.path and _lengthless(path) == name and other.trained:
            epochs = other.config["trainer"]["max_epochs"]
            same = _identity_of_any_length(other.config) == _identity_of_any_length(config)
            if same and epochs < config["trainer"]["max_epochs"] and (other.checkpoints / "last.ckpt").exists():
                found[epochs] = other
    if not found:
        return None
    longest = found[max(found)]
    run.copy_weights(longest)
    events.copy(longest.path, run.path)
    return longest


def _lengthless(path: Path) -> str:
    """The name of a run's directory without its number of epochs and its hash."""
    return re.sub(r"-max_epochs_\d+", "", path.name.rpartition("-")[0])


def _identity_of_any_length(config: dict[str, Any]) -> str:
    return identity_text({**config, "trainer": {**config["trainer"], "max_epochs": 0}})
