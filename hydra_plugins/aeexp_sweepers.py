"""Hydra's way into aeexp.app. The plugins' folder is a namespace: there is no __init__.py in it."""

from abc import ABC
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class Launching(Sweeper, ABC):
    launcher: Launcher

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )


class Grid(Launching):
    """hydra/sweeper=grid: every combination of the swept values that is not finished."""

    def sweep(self, arguments: list[str]) -> None:
        from aeexp.app.multirun import grid  # here, because Hydra imports every plugin at every start

        grid(arguments, self.launcher, **self.settings)


class Search(Launching):
    """hydra/sweeper=optuna: what is swept is searched."""

    def sweep(self, arguments: list[str]) -> None:
        from aeexp.app.search import search

        search(arguments, self.launcher, **self.settings)
