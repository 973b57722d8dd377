"""The state of a group: the optimizer's, of stacked weights, taken apart for each run and put together again."""

from typing import Any

import torch
from torch import Tensor

from aeexp.training.checkpoints import WholeFiles


class GroupFiles(WholeFiles):
    """Reads the checkpoints of all members as one of the group."""

    def __init__(self, stored: list[dict[str, Any]]) -> None:
        self.stored = stored

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        states = [stored["optimizer_states"][0] for stored in self.stored]
        return {**self.stored[0], "state_dict": {}, "callbacks": {}, "optimizer_states": [merged(states)]}


def split(state: dict[str, Any], i: int) -> dict[str, Any]:
    """An optimizer's state of stacked weights as that of the i-th model's weights."""
    one = {
        key: {name: value[i].clone() if _stacked(name, value) else value for name, value in moments.items()}
        for key, moments in state["state"].items()
    }
    return {**state, "state": one}


def merged(states: list[dict[str, Any]]) -> dict[str, Any]:
    first = states[0]
    all_ = {
        key: {
            name: torch.stack([state["state"][key][name] for state in states]) if _stacked(name, value) else value
            for name, value in moments.items()
        }
        for key, moments in first["state"].items()
    }
    return {**first, "state": all_}


def _stacked(name: str, value: Any) -> bool:
    """Whether there is one for each model: all have taken as many steps."""
    return isinstance(value, Tensor) and name != "step"
