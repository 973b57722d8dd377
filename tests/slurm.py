#!/usr/bin/env python3
"""SLURM for a test, under the names of its programs: every task of a job array is a process on this machine.

The folder of the programs holds a file for each task: its number and its process. A task whose process is gone is
CANCELLED, unless `scontrol requeue` has started another one.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

JOB = "100"
HERE = Path(sys.argv[0]).parent


def start(script: str, task: str) -> None:
    """`task` is empty where there is no array."""
    facts = {"JOB_ID": JOB, "NTASKS": "1", "JOB_NUM_NODES": "1", "JOB_NODELIST": "localhost"}
    facts |= {"NODEID": "0", "PROCID": "0", "LOCALID": "0"}
    facts |= {"ARRAY_JOB_ID": JOB, "ARRAY_TASK_ID": task} if task else {}
    environment = {**os.environ, **{f"SLURM_{name}": value for name, value in facts.items()}}
    with (HERE / "log").open("a") as log:
        process = subprocess.Popen(["bash", script], env=environment, stdout=log, stderr=log, process_group=0)
    (HERE / f"task_{task}").write_text(f"{process.pid} {script}")


def sbatch(script: str) -> None:
    array = re.search(r"--array=0-(\d+)", Path(script).read_text())
    for task in map(str, range(int(array[1]) + 1)) if array else [""]:
        start(script, task)
    print(f"Submitted batch job {JOB}")


def srun(*words: str) -> None:
    os.execvp(sys.executable, words[words.index(sys.executable) :])


def scontrol(_: str, job: str) -> None:
    task = job.partition("_")[2]
    start((HERE / f"task_{task}").read_text().split(maxsplit=1)[1], task)


def sacct(*_: str) -> None:
    print("JobID|State|NodeList")
    for file in sorted(HERE.glob("task_*")):
        process, task = file.read_text().split()[0], file.name.removeprefix("task_")
        status = Path(f"/proc/{process}/stat")
        alive = status.exists() and status.read_text().rpartition(")")[2].split()[0] not in "ZX"
        print(f"{'_'.join(filter(None, [JOB, task]))}|{'RUNNING' if alive else 'CANCELLED'}|localhost")


if __name__ == "__main__":
    {"sbatch": sbatch, "srun": srun, "scontrol": scontrol, "sacct": sacct}[Path(sys.argv[0]).name](*sys.argv[1:])
