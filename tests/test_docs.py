"""README.md and docs/: every command and every program runs as written there, and what is generated is up to date."""

import importlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from conftest import ROOT, Folder
from PIL import Image

from aeexp.report.sweep import Report

README, DOCS = ROOT / "README.md", ROOT / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
WRITTEN = [
    *PAGES,
    *sorted(DOCS.glob("catalogue/*.md")),
    *sorted((ROOT / "results").glob("*.md")),
    *sorted(ROOT.glob("C*.md")),
]
COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:aeexp|make|python|tensorboard) .*")
BLOCK = re.compile(r"(?:`(?P<file>[\w/.]+)`:\n\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```", re.M | re.S)
QUICK = {  # what makes a command fast: added to the commands that have these words
    "aeexp train": ["trainer.max_epochs=1"],
    "mnist,fashion": ["data.val=20", "evaluation=[reconstruction]"],
    "table=code_size": ["model=pca,vae", "bottleneck=2,10", "seed=0"],
    "model=vq_prior": ["trainer.max_epochs=2"],
    "m1_m2": ["trainer.max_epochs=2"],
    "model=latent_flow": ["trainer.max_epochs=2"],
    "sweeper=optuna": ["hydra.sweeper.n_trials=2"],
    "model=sequence_": ["network.width=16"],
    "evaluation=[all]": ["evaluation.likelihood.samples=20"],
}
ELSEWHERE = {  # what needs several processes or an installation, and the file and the test that run it
    "make demo": ("test_docs.py", "test_make_demo_"),
    "make test": ("test_docs.py", "test_make_test_"),
    "tensorboard --logdir runs": ("test_docs.py", "test_tensorboard_"),
    "hydra/launcher=joblib": ("app/test_launchers.py", "test_processes_on_this_machine_"),
    "hydra.launcher.cluster=local": ("app/test_launchers.py", "test_slurms_jobs_run_as_processes_"),
    "trainer=ddp": ("app/test_launchers.py", "test_two_processes_train_as_one_"),
    "hydra/launcher=slurm": ("app/test_launchers.py", "test_slurm_"),
    "hydra/launcher=ray": ("app/test_launchers.py", "test_ray_"),
    "model=decayed": ("app/test_packages.py", "test_the_example_of_the_"),
}


def blocks(page):
    """(language, file that the page says it is, or None; text) of each block of code, and inline commands with it."""
    text = page.read_text()
    found = [(match["language"], match["file"], match["text"]) for match in BLOCK.finditer(text)]
    return [*found, *(("", None, inline) for inline in re.findall(r"`(AEEXP_PACKAGES=[^`]*)`", BLOCK.sub("", text)))]


def commands(text):
    return [line.split("  #")[0].strip() for line in text.splitlines() if COMMAND.match(line)]


def elsewhere(command):
    return next((place for words, place in ELSEWHERE.items() if words in command), None)


def test_every_page_is_found_and_commands_that_are_run_elsewhere_name_their_test():
    everything = [command for page in PAGES for _, _, text in blocks(page) for command in commands(text)]
    assert len(PAGES) >= 11
    assert len(everything) >= 25
    for words, (file, test) in ELSEWHERE.items():
        assert any(words in command for command in everything)
        assert f"def {test}" in (ROOT / "tests" / file).read_text()


def test_the_catalogue_is_what_make_docs_writes(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    generate, yaml_options = (importlib.import_module(name) for name in ("generate", "yaml_options"))
    assert len(generate.PAGES) == 7
    pages = [file for file, content in generate.PAGES.items() if not file.exists() or file.read_text() != content()]
    if pages:
        pytest.fail(f"the catalogue is stale: run make docs ({', '.join(file.name for file in pages)})", pytrace=False)
    if silent := yaml_options.uncommented():
        pytest.fail(f"{silent[0]} has no comment: say behind # what it is and in which unit", pytrace=False)


@pytest.mark.parametrize("file", sorted((ROOT / "results").glob("*/table.yaml")), ids=lambda file: file.parent.name)
def test_a_stored_table_is_made_of_its_stored_runs(file):
    assert (file.parent / "table.md").read_text() == Report(file.parent).form("markdown")


@pytest.fixture
def docs(monkeypatch):
    """docs("name") -> a module of docs/."""
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module


def test_what_a_use_is_worth_stands_in_its_table(docs):
    uses = docs("uses")
    rows = re.findall(r"^\| .*`aeexp train table=(\w+)`.*$", uses.page(), re.M)
    assert len(rows) >= 10
    for line in uses.page().splitlines():
        if found := re.search(r"`aeexp train table=(\w+)`", line):
            kept = (ROOT / "results" / found[1] / "table.md").read_text()
            numbers = re.findall(r"(-?[\d.]+ ± [\d.]+ \(\d+\)|-?[\d.]+† \(1\))", line)
            assert len(numbers) == 2 and line.count("**") == 2
            # a number that is shown with another sign stands there with its own
            assert [number for number in numbers if number.lstrip("-") not in kept] == []


def test_a_stored_table_keeps_the_seeds_of_another_machine(docs):
    both = docs("stored_tables").both
    head = "model,seed,run,state,error,metric,value\n"
    earlier = head + "vae,0,a,completed,,recon,1\nvae,1,b,completed,,recon,2\nvae,1,b,completed,,other,3\n"
    assert both(earlier, head + "vae,1,c,completed,,recon,5\n") == (
        head + "vae,0,a,completed,,recon,1\nvae,1,c,completed,,recon,5\n"
    )
    other = head.replace("model", "data") + "mnist,0,a,completed,,recon,1\n"
    assert both(earlier, other) == other  # of another sweep


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}, link


@pytest.fixture
def place(tmp_path, idx_data):
    """A folder as a reader has it: data/ with small files of MNIST's kind, a folder of pictures, and arrays."""
    (tmp_path / "data").mkdir()
    for folder in idx_data.iterdir():
        (tmp_path / "data" / folder.name).symlink_to(folder)
    generator = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "data" / "pictures" / name).mkdir(parents=True)
        for n in range(20):
            pixels = generator.integers(0, 256, (28, 28, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / "pictures" / name / f"{n}.png")
    arrays = {"x": generator.random((40, 32), dtype=np.float32), "y": np.arange(40) % 2}
    np.savez(tmp_path / "data" / "series.npz", **arrays)
    rows = [f"{i / 7},{3 * i},{'ab'[i % 2]}" for i in range(40)]
    (tmp_path / "data" / "flowers.csv").write_text("\n".join(["length,width,species", *rows]))
    rows = [f"n{i},{20 + i % 50},{['red', '', 'blue'][i % 3]},{'yes' if i % 4 else 'no'}" for i in range(60)]
    (tmp_path / "data" / "people.csv").write_text("\n".join(["name,age,colour,member", *rows]))
    rows = [f"{np.sin(i / 8)},{np.cos(i / 8)},{int(300 < i < 320)}" for i in range(1600)]
    (tmp_path / "data" / "machine.csv").write_text("\n".join(["speed,load,fault", *rows]))
    folder = Folder(tmp_path)
    folder.md5 = idx_data.md5
    return folder


def quick(command, md5):
    """The command with what makes it fast; small files of our own have checksums of their own."""
    more = [word for words, extra in QUICK.items() if words in command for word in extra]
    more += [f"data.source.md5={json.dumps(md5)}".replace('"', "").replace(" ", "")] if "mnist" in command else []
    return shlex.join([*shlex.split(command), *more])


def run(place, command):
    """The command in the reader's folder."""
    words = shlex.split(command)
    variables = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    words = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    start = [sys.executable, "-m", "aeexp"] if words[0] == "aeexp" else [sys.executable]
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [variables.get("PYTHONPATH")])])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "AEEXP_DATA": "data", **variables}
    return subprocess.run([*start, *words[1:]], cwd=place, env=environment, capture_output=True, text=True, timeout=900)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_reader_can_follow_the_page(page, place):
    for language, file, text in blocks(page):
        if file:
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_text(text)
        elif language == "python":
            (place / "program.py").write_text(text)
            done = run(place, "python program.py")
            assert done.returncode == 0, f"{page.name}: {text}\n{done.stderr}"
        for command in commands(text):
            if elsewhere(command):
                continue
            done = run(place, quick(command, place.md5))
            assert done.returncode == 0, f"{page.name}: {command}\n{done.stderr}"
            assert "Traceback" not in done.stderr
    if page == README:
        assert len(list((place / "runs" / "first").glob("*/results.json"))) == 18


def in_the_makefile(target):
    dry_run = ["make", "--no-print-directory", "-n", "-o", ".venv/done", target]
    return subprocess.run(dry_run, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_make_test_and_make_check_run_what_they_say():
    lint = [".venv/bin/ruff check .", ".venv/bin/ruff format --check .", ".venv/bin/mypy"]
    for target, tests in (("test", "-m pytest"), ("check", '-m pytest -m "not slow"')):
        printed = in_the_makefile(target)
        assert [line for line in (*lint, f".venv/bin/python {tests}") if line not in printed] == []


@pytest.mark.slow
def test_make_demo_sweeps_the_embedded_digits(place):
    command = in_the_makefile("demo").replace("\\\n", " ").strip().replace(".venv/bin/python train.py", "aeexp train")
    assert {"data=digits", "seed=0,1,2"} < set(shlex.split(command))
    shorter = re.sub(r"max_epochs=\d+", "max_epochs=1", command).replace("seed=0,1,2", "seed=0").replace("2,8,32", "2")
    done = run(place, shorter)
    assert done.returncode == 0, done.stderr
    *_, table, csv, tex, runs, curves, _, front, _, page, board = done.stdout.strip().splitlines()
    assert [name for name in (table, csv, tex, runs, curves, front, page) if not (place / name).exists()] == []
    assert board == "TensorBoard: tensorboard --logdir runs"


@pytest.mark.slow
def test_tensorboard_shows_the_runs_side_by_side(place):
    assert run(place, "aeexp train -m sweep=first model=pca,vae bottleneck=2").returncode == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "runs", "--port", str(port), "--load_fast=false"]
    board = subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        names, end = [], time.monotonic() + 90
        while len(names) < 2 and time.monotonic() < end:
            time.sleep(1)
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/runs") as page:
                    names = [name for name in json.load(page) if name.startswith("first/")]
            except OSError:
                assert board.poll() is None
        assert len(names) >= 2
    finally:
        board.kill()
        board.wait()
