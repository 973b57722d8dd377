"""`source <(aeexp completion)`: bash completes commands, groups, options and keys, without torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("aeexp tr", {"train"}),
        ("aeexp train model=spars", {"model=sparse", "model=sparse_kl"}),
        ("aeexp train -m data=mnist model=vae code.bet", {"code.beta="}),
        ("aeexp evaluate evaluation=knn run=x evaluation=rec", {"evaluation=reconstruction"}),
        ("aeexp report ", set()),
    ],
)
def test_bash_completes_the_last_word(line, found):
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        f"source <(aeexp completion); COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; _aeexp"
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-c", f'{script}; printf "%s\\n" "${{COMPREPLY[@]}}"']
    done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True)
    assert {*done.stdout.split()} == found and not done.stderr


def test_a_word_is_completed_without_torch():
    code = "import runpy, sys; sys.modules['torch'] = None; runpy.run_module('aeexp', run_name='__main__')"
    environment = {**os.environ, "COMP_LINE": "aeexp model=spars", "COMP_POINT": "17"}
    command = [sys.executable, "-c", code, "train", "-sc", "query=bash"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["model=sparse", "model=sparse_kl"]
