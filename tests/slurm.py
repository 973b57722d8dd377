#!/usr/bin/env python3
"""SLURM for a test, under the names sbatch and srun: every task of a job array is a process on this machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

JOB = "100"


def sbatch(script: str) -> None:
    array = re.search(r"--array=0-(\d+)", Path(script).read_text())
    for task in range(int(array.group(1)) + 1 if array else 1):
        facts = {"JOB_ID": JOB, "ARRAY_JOB_ID": JOB, "ARRAY_TASK_ID": str(task), "NTASKS": "1", "JOB_NUM_NODES": "1"}
        facts |= {"NODEID": "0", "PROCID": "0", "LOCALID": "0", "JOB_NODELIST": "localhost"}
        environment = {**os.environ, **{f"SLURM_{name}": value for name, value in facts.items()}}
        subprocess.Popen(["bash", script], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"Submitted batch job {JOB}")


def srun(*words: str) -> None:
    os.execvp(sys.executable, words[words.index(sys.executable) :])


if __name__ == "__main__":
    {"sbatch": sbatch, "srun": srun}[Path(sys.argv[0]).name](*sys.argv[1:])
