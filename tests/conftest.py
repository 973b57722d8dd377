"""One thread for all tests; what several of them need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
REAL_DATA = ROOT.parent / "shared" / "data"
torch.set_num_threads(1)


@pytest.fixture
def program(tmp_path):
    """Runs a program of the project as a user does: program("train.py", "model=vae") -> its output and its code."""

    def run(script, *words, **environment):
        command = [sys.executable, *([script] if script.endswith(".py") else ["-m", script]), *words]
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", **environment}
        return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=600)

    return run
