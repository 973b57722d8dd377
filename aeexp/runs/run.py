"""One run's directory.

config.yaml   what was asked for, resolved, with the options chosen in each group; written first
status.json   state (running, completed, failed, interrupted), times, host, process, and a failure's cause
results.json  each protocol's settings beside its metrics, and what the numbers depend on
checkpoints/  best.ckpt and last.ckpt;  figures/ *.png;  TensorBoard's event files
"""

import datetime
import hashlib
import json
import os
import platform
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from aeexp.runs.files import read_json, read_yaml, write, write_json, write_yaml

# What of a configuration decides no number of the training: names, places, and what is measured afterwards.
NOT_IDENTITY = ("runs", "sweep", "evaluation", "table", "choices", "overrides")
NOT_IDENTITY_OF_DATA = ("root",)
SHOWN = ("experiment", "model", "data", "bottleneck", "seed")


class Locked(Exception):
    """Another process works on this run."""


def identity(config: dict[str, Any]) -> str:
    """Eight hexadecimal digits that stand for everything that decides the trained weights."""
    kept = {key: value for key, value in config.items() if key not in NOT_IDENTITY}
    kept["data"] = {key: value for key, value in kept["data"].items() if key not in NOT_IDENTITY_OF_DATA}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:8]


def directory(config: dict[str, Any]) -> Path:
    """<runs>/<sweep>/<readable name>-<identity>"""
    shown = {**config["choices"], "bottleneck": config["bottleneck"]["dim"], "seed": f"s{config['seed']}"}
    name = "-".join(str(shown[key]) for key in SHOWN if shown.get(key) not in (None, "null"))
    return Path(config["runs"]) / config["sweep"] / re.sub(r"[^\w.-]", "_", f"{name}-{identity(config)}")


def find(path: Path) -> list["Run"]:
    """The run at `path`, or all runs below it, in the order of their names."""
    return [Run(file.parent) for file in sorted(path.glob("**/config.yaml"))]


class Run:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints, self.figures = path / "checkpoints", path / "figures"

    @property
    def config(self) -> dict[str, Any]:
        return read_yaml(self.path / "config.yaml")

    @property
    def status(self) -> dict[str, Any]:
        return read_json(self.path / "status.json")

    @property
    def results(self) -> dict[str, Any]:
        return read_json(self.path / "results.json")

    @property
    def trained(self) -> bool:
        return "training" in self.results

    @property
    def metrics(self) -> dict[str, float]:
        """`<protocol>/<metric>`; of a protocol that ran with several settings, the newest."""
        return {k: v for entry in self.results.get("protocols", []) for k, v in entry["metrics"].items()}

    def finished(self, evaluation: dict[str, Any]) -> bool:
        """Trained, and measured by all of these protocols with these settings."""
        return self.trained and all(self.protocol(name, node) for name, node in evaluation.items())

    def twin(self) -> "Run | None":
        """A trained run of the same sweep and identity, under another name."""
        same = self.path.parent.glob(f"*-{self.path.name.rpartition('-')[2]}")
        return next((run for run in map(Run, sorted(same)) if run.path != self.path and run.trained), None)

    def adopt(self, twin: "Run") -> None:
        """Takes over the weights of a run of the same identity."""
        for file in twin.checkpoints.glob("*.ckpt"):
            write(self.checkpoints / file.name, file.read_bytes())

    def mark_trained(self, facts: dict[str, Any]) -> None:
        write_json(self.path / "results.json", {**self.results, "training": facts})

    def protocol(self, name: str, settings: dict[str, Any]) -> dict[str, Any] | None:
        """What a protocol gave with these settings, or None."""
        for entry in self.results.get("protocols", []):
            if entry["protocol"] == name and entry["settings"] == settings:
                return entry
        return None

    def add(self, entry: dict[str, Any], facts: dict[str, Any]) -> None:
        """Adds a protocol's numbers; those made with other settings stay."""
        protocols = [*self.results.get("protocols", []), entry]
        write_json(self.path / "results.json", {**self.results, **facts, "protocols": protocols})

    @contextmanager
    def working(self, config: dict[str, Any]) -> Iterator[None]:
        """Keeps other processes off the run, and its status true. Raises Locked where another process has it."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(self.path / ".lock", blocking=False).acquire()
        except Timeout:
            raise Locked(f"{self.path} is being worked on by another process") from None
        with lock:
            write_yaml(self.path / "config.yaml", config)
            status = {"state": "running", "started": _now(), "host": platform.node(), "process": os.getpid()}
            write_json(self.path / "status.json", status)
            try:
                yield
            except BaseException as error:
                failed = isinstance(error, Exception)
                cause = {"error": _sentence(error), "traceback": traceback.format_exc()} if failed else {}
                state = "failed" if failed else "interrupted"
                write_json(self.path / "status.json", {**status, "state": state, "ended": _now(), **cause})
                raise
            write_json(self.path / "status.json", {**status, "state": "completed", "ended": _now()})


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if type(error).__name__ == "UserError" else f"{type(error).__name__}: {text}"
