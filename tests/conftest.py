"""One thread for all tests; what several of them need."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[1]
REAL_DATA = ROOT.parent / "shared" / "data"
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def program():
    """Runs a program of the project as a user does: program("train.py", "model=vae") -> its output and its code."""

    def run(script, *words, **environment):
        command = [sys.executable, *([script] if script.endswith(".py") else ["-m", script]), *words]
        variables = {**os.environ, "AEEXP_JOBS": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "120", **environment}
        return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=600)

    return run


@pytest.fixture
def repeatable_and_in_double_precision():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def same(found, expected, **tolerance):
    torch.testing.assert_close(found, expected, **tolerance)


def killed_once_it_has_a_checkpoint(words, runs):
    """train.py, which SIGKILL ends in the middle of its training."""
    command = [sys.executable, "train.py", *words, f"runs={runs}"]
    victim = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while not list(runs.rglob("last.ckpt")):
        assert victim.poll() is None
        time.sleep(0.05)
    victim.kill()
    victim.wait()


class Folder(type(Path())):
    """A path that carries its files' checksums."""

    md5: dict


@pytest.fixture(scope="session")
def idx_data(tmp_path_factory):
    """MNIST and FashionMNIST of 120 + 40 random images in torchvision's own layout; `.md5` names their checksums."""
    root, generator = Folder(tmp_path_factory.mktemp("data")), np.random.default_rng(0)
    root.md5 = {}
    for part, n in (("train", 120), ("t10k", 40)):
        images = generator.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = np.arange(n, dtype=np.uint8) % 10
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            content = header + array.tobytes()
            root.md5[name] = hashlib.md5(content).hexdigest()
            for data_set in ("MNIST", "FashionMNIST"):
                (root / data_set / "raw").mkdir(parents=True, exist_ok=True)
                (root / data_set / "raw" / name).write_bytes(content)
    return root
