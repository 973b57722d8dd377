"""hydra/launcher=slurm: the runs of a sweep as a job array of SLURM, by submitit.

A job that reaches its time limit, or is preempted, is put into the queue again and goes on from its checkpoint. One
that is cancelled, or lost with its node, costs its run alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from aeexp.app.jobs import failed, returned


class SlurmLauncher(Launcher):
    """cluster=local runs the jobs as processes of this machine, all at once, to try it."""

    def __init__(self, folder: str, cluster: str, requeue: int, sbatch: DictConfig) -> None:
        self.folder, self.cluster, self.requeue, self.sbatch = Path(folder), cluster, requeue, sbatch

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """A job composes a run from its overrides, and needs nothing of Hydra's."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        import submitit  # here, because Hydra imports every plugin at every start

        executor = submitit.AutoExecutor(
            folder=self.folder / "%j", cluster=self.cluster, slurm_max_num_timeout=self.requeue
        )
        settings: Any = OmegaConf.to_container(self.sbatch, resolve=True)
        executor.update_parameters(**settings)
        return [_result(job) for job in executor.map_array(Job(), [list(words) for words in job_overrides])]


class Job:
    """One run, on a node. submitit asks it for a `checkpoint` before it puts it into the queue again."""

    def __call__(self, words: list[str]) -> dict[str, float]:
        from aeexp.app.cli import train_point

        return train_point(words)

    def checkpoint(self, words: list[str]) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, words)  # the run has its own


def _result(job: Any) -> JobReturn:
    """Waits for it. The others are waited for, whatever became of this one."""
    from submitit.core.utils import UncompletedJobError

    try:
        return returned(job.result())
    except UncompletedJobError:
        state = "is " + job.state.lower() if job.state in ("CANCELLED", "TIMEOUT", "PREEMPTED") else "was lost"
        reason = f"job {job.job_id} {state}: the same command goes on; it wrote {job.paths.stderr}"
        return failed(RuntimeError(reason))
    except Exception as error:
        return failed(error)
