"""hydra/launcher=ray: the runs of a sweep as tasks of a running Ray cluster, whose nodes share the project's folder."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from aeexp.app.jobs import failed


class RayLauncher(Launcher):
    """A task that loses its node or its worker is tried again elsewhere, and its run goes on from its checkpoint."""

    def __init__(self, address: str, num_cpus: float, num_gpus: float, max_retries: int) -> None:
        self.address = address
        self.resources: dict[str, Any] = {"num_cpus": num_cpus, "num_gpus": num_gpus, "max_retries": max_retries}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.job = (hydra_context, task_function, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        import ray  # here, because Hydra imports every plugin at every start

        setup_globals()
        # a folder of the command line means the same on every node
        variables = {name: value for name, value in os.environ.items() if name.startswith("AEEXP_")}
        variables["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        ray.init(address=self.address, runtime_env={"env_vars": variables}, ignore_reinit_error=True)
        task = ray.remote(**self.resources)(run)
        common = (*self.job, Singleton.get_state(), Path.cwd())
        waiting = [task.remote(initial_job_idx + i, list(words), *common) for i, words in enumerate(job_overrides)]
        return [_result(ray, each) for each in waiting]


def run(
    number: int,
    overrides: list[str],
    hydra_context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    singletons: Any,
    folder: Path,
) -> JobReturn:
    """One job, on a node."""
    os.chdir(folder)
    setup_globals()
    Singleton.set_state(singletons)
    sweep_config = hydra_context.config_loader.load_sweep_config(config, overrides)
    with open_dict(sweep_config):
        sweep_config.hydra.job.id = sweep_config.hydra.job.num = number
    HydraConfig.instance().set_config(sweep_config)
    return run_job(task_function, sweep_config, "hydra.sweep.dir", "hydra.sweep.subdir", hydra_context)


def _result(ray: Any, task: Any) -> JobReturn:
    try:
        return ray.get(task)
    except ray.exceptions.RayError as error:  # the others are waited for
        return failed(error)
