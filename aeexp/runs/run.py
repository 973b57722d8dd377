"""One run's directory.

config.yaml   what was asked for, resolved, with the options chosen in each group; written first
status.json   state (running, completed, failed, interrupted), times, host, process, versions, memory, a failure's cause
results.json  each protocol's settings beside its metrics, and what the numbers depend on
checkpoints/  best.ckpt and last.ckpt;  figures/ *.png, *.wav;  TensorBoard's event files
"""

import datetime
import hashlib
import json
import os
import platform
import re
import shutil
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from aeexp.errors import UserError
from aeexp.files import write, write_json, write_yaml
from aeexp.runs import records
from aeexp.runs.facts import environment, peak_memory

# What of a configuration decides no number of the training: names, places, and what is measured afterwards.
NOT_IDENTITY = ("runs", "sweep", "force", "fail_fast", "evaluation", "table", "choices", "overrides")
NOT_IDENTITY_OF_DATA = ("root",)
NOT_IDENTITY_OF_SOURCE = ("cache",)
LOCK = ".lock"
SHOWN = ("experiment", "model", "data", "bottleneck", "seed")


class Locked(Exception):
    """Another process works on this run."""


def identity_text(config: dict[str, Any]) -> str:
    """Everything that decides the trained weights, as text."""
    kept = {key: value for key, value in config.items() if key not in NOT_IDENTITY}
    kept["data"] = {key: value for key, value in kept["data"].items() if key not in NOT_IDENTITY_OF_DATA}
    source = kept["data"].get("source", {})
    kept["data"]["source"] = {key: value for key, value in source.items() if key not in NOT_IDENTITY_OF_SOURCE}
    return json.dumps(kept, sort_keys=True)


def identity(config: dict[str, Any]) -> str:
    """Eight hexadecimal digits that stand for it."""
    return hashlib.sha256(identity_text(config).encode()).hexdigest()[:8]


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
        return deepcopy(records.config(self.path)) if (self.path / "config.yaml").exists() else {}

    @property
    def status(self) -> dict[str, Any]:
        return records.status(self.path)

    @property
    def state(self) -> str:
        """The state in status.json; a run whose process was killed could not write there that it is interrupted."""
        status = self.status
        state = status.get("state", "interrupted")
        gone = status.get("host") == platform.node() and not Path(f"/proc/{status.get('process')}").exists()
        return "interrupted" if state == "running" and gone and Path("/proc").exists() else state

    @property
    def results(self) -> dict[str, Any]:
        return records.results(self.path)

    @property
    def trained(self) -> bool:
        return "training" in self.results

    @property
    def metrics(self) -> dict[str, float]:
        """`<protocol>/<metric>`; of a protocol that ran with several settings, the newest."""
        return records.metrics(self.results)

    @property
    def numbers(self) -> dict[str, float]:
        """The metrics, and `val/<term>` of the best epoch: what a search may look at."""
        return {**self.results.get("training", {}).get("best", {}), **self.metrics}

    def finished(self, evaluation: dict[str, Any]) -> bool:
        """Trained, and measured by all of these protocols with these settings."""
        return self.trained and all(self.protocol(name, node) for name, node in evaluation.items())

    def duplicate(self) -> "Run | None":
        """A trained run of the same sweep and identity, under another name."""
        same = self.path.parent.glob(f"*-{self.path.name.rpartition('-')[2]}")
        return next((run for run in map(Run, sorted(same)) if run.path != self.path and run.trained), None)

    def copy_weights(self, duplicate: "Run") -> None:
        """Takes over the weights of a run of the same identity."""
        for file in duplicate.checkpoints.glob("*.ckpt"):
            write(self.checkpoints / file.name, file.read_bytes())

    def mark_trained(self, facts: dict[str, Any]) -> None:
        write_json(self.path / "results.json", {**self.results, "training": facts})

    def protocol(self, name: str, settings: dict[str, Any]) -> dict[str, Any] | None:
        """What a protocol gave with these settings, or None."""
        for entry in self.results.get("protocols", []):
            if entry["protocol"] == name and _without_paths(entry["settings"]) == _without_paths(settings):
                return entry
        return None

    def add(self, entry: dict[str, Any], facts: dict[str, Any]) -> None:
        """Adds a protocol's numbers; those made with other settings stay."""
        protocols = [*self.results.get("protocols", []), entry]
        write_json(self.path / "results.json", {**self.results, **facts, "protocols": protocols})

    def refuse_other(self, config: dict[str, Any]) -> None:
        """UserError where the directory holds a run of another configuration, so that nobody touches it."""
        stored = self.config
        if stored and identity_text(stored) != identity_text(config):
            raise UserError(
                f"{self.path} holds a run of another configuration, and is left alone: move it away, or choose another "
                "folder with sweep= or runs="
            )

    def clear(self) -> None:
        """Removes all but the lock."""
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()

    @contextmanager
    def working(self, config: dict[str, Any]) -> Iterator[None]:
        """Keeps other processes off the run, and its status true. Raises Locked where another process has it."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(self.path / LOCK, blocking=False).acquire()
        except Timeout:
            raise Locked(f"{self.path} is being worked on by another process") from None
        with lock:
            self.refuse_other(config)
            if config["force"]:
                self.clear()
            write_yaml(self.path / "config.yaml", config)
            started = time.perf_counter()
            begun = {"started": _now(), "host": platform.node(), "process": os.getpid(), **environment()}
            write_json(self.path / "status.json", {"state": "running", **begun})
            end: dict[str, Any] = {"state": "completed"}
            try:
                yield
            except Exception as error:
                end = {"state": "failed", "error": _sentence(error), "traceback": traceback.format_exc()}
                raise
            except BaseException:
                end = {"state": "interrupted"}
                raise
            finally:
                took = {"ended": _now(), "duration": time.perf_counter() - started, "peak_memory": peak_memory()}
                write_json(self.path / "status.json", {**end, **begun, **took})


def _without_paths(node: Any) -> Any:
    """A node without the places where data lie."""
    if isinstance(node, dict):
        places = NOT_IDENTITY_OF_DATA + NOT_IDENTITY_OF_SOURCE
        return {key: _without_paths(value) for key, value in node.items() if key not in places}
    return node


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if type(error).__name__ == "UserError" else f"{type(error).__name__}: {text}"
