"""One run's directory.

config.yaml   what was asked for, resolved, with the options chosen in each group; written first
status.json   state (running, completed, failed, interrupted), times, host, process, versions, memory, a failure's cause
results.json  each protocol's settings beside its metrics, and what the numbers depend on
checkpoints/  best.ckpt and last.ckpt;  figures/ *.png, *.wav;  TensorBoard's event files
"""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from aeexp.errors import UserError
from aeexp.files import refuse_links, remove, write, write_json, write_yaml
from aeexp.runs import records
from aeexp.runs.facts import ended, environment, now, peak_memory
from aeexp.runs.failures import failure, sentence
from aeexp.runs.identity import identity_text, without_paths

LOCK = ".lock"
RECORDS = {"config.yaml": records.config, "status.json": records.status, "results.json": records.results}


class Locked(Exception):
    """Another process works on this run."""


def find(path: Path) -> list["Run"]:
    """The run at `path`, or all runs below it, in the order of their names."""
    return [Run(file.parent) for file in sorted(path.glob("**/config.yaml"))]


class Run:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints, self.figures = path / "checkpoints", path / "figures"

    @property
    def root(self) -> Path:
        """The folder of all sweeps, by where the run lies: <root>/<sweep>/<run>."""
        place, sweep = self.path.resolve(), Path(str(self.config.get("sweep", ""))).parts
        return place.parents[len(sweep) if sweep and place.parent.parts[-len(sweep) :] == sweep else 1]

    @property
    def config(self) -> dict[str, Any]:
        return deepcopy(records.config(self.path)) if (self.path / "config.yaml").exists() else {}

    @property
    def status(self) -> dict[str, Any]:
        return records.status(self.path)

    @property
    def status_or_none(self) -> dict[str, Any]:
        """As `status`; {} where the file is damaged."""
        try:
            return self.status
        except records.Damaged:
            return {}

    @property
    def ended(self) -> str | None:
        """When it ended last; None while it runs, and before."""
        return self.status_or_none.get("ended")

    @property
    def state(self) -> str:
        """The state in status.json; a run whose process was killed could not write there that it is interrupted.

        Without that file the results decide.
        """
        status = self.status_or_none
        state = str(status.get("state", "completed" if self.trained else "interrupted"))
        here = status.get("host") == platform.node() and Path("/proc").exists()
        return "interrupted" if state == "running" and here and ended(status.get("process")) else state

    def failed_with(self, error: BaseException) -> bool:
        """Whether the status tells this failure."""
        status = self.status_or_none
        return status.get("state") == "failed" and status.get("error") == sentence(error)

    @property
    def results(self) -> dict[str, Any]:
        return records.results(self.path)

    @property
    def trained(self) -> bool:
        """Whether its results are there and can be read."""
        try:
            return "training" in self.results
        except records.Damaged:
            return False

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

    def copy_weights(self, duplicate: "Run") -> None:
        """Takes over the weights of a run of the same identity."""
        for file in duplicate.checkpoints.glob("*.ckpt"):
            write(self.checkpoints / file.name, file.read_bytes())

    def mark_trained(self, facts: dict[str, Any]) -> None:
        write_json(self.path / "results.json", {**self.results, "training": facts})

    def protocol(self, name: str, settings: dict[str, Any]) -> dict[str, Any] | None:
        """What a protocol gave with these settings, or None."""
        for entry in self.results.get("protocols", []):
            if entry["protocol"] == name and without_paths(entry["settings"]) == without_paths(settings):
                return entry
        return None

    def add(self, entry: dict[str, Any], facts: dict[str, Any]) -> None:
        """Adds a protocol's numbers; those made with other settings stay."""
        protocols = [*self.results.get("protocols", []), entry]
        write_json(self.path / "results.json", {**self.results, **facts, "protocols": protocols})

    def refuse_other(self, config: dict[str, Any]) -> None:
        """UserError where the directory holds a run of another configuration, so that nobody touches it."""
        try:
            stored = self.config
        except records.Damaged:
            return  # it is written anew: the directory's name has the identity
        if stored and identity_text(stored) != identity_text(config):
            raise UserError(
                f"{self.path} holds a run of another configuration, and is left alone: move it away, or choose another "
                "folder with sweep= or runs="
            )

    def clear(self) -> None:
        """Removes all but the lock."""
        for path in self.path.iterdir():
            if path.name != LOCK:
                remove(path)

    def _discard_damaged(self) -> None:
        """Removes records that cannot be read, so that what they held is made again."""
        for name, read in RECORDS.items():
            try:
                read(self.path)
            except records.Damaged as damage:
                print(f"{damage}: it is made again")
                remove(self.path / name)
            except FileNotFoundError:
                pass

    @contextmanager
    def working(self, config: dict[str, Any]) -> Iterator[None]:
        """Keeps other processes off the run, and its status true. Raises Locked where another process has it."""
        started = time.perf_counter()
        with self.begun(config) as begun:
            try:
                yield
            except BaseException as error:
                with suppress(OSError):  # a status that cannot be written does not hide why the run ended
                    self._end({**failure(error), **begun}, started)
                raise
            self._end({"state": "completed", **begun}, started)

    @contextmanager
    def begun(self, config: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """As `working`, without an end; gives what a status has from its begin on."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(self.path / LOCK, blocking=False).acquire()
        except Timeout:
            raise Locked(f"{self.path} is being worked on by another process") from None
        with lock:
            self.refuse_other(config)
            refuse_links(self.path)
            if config["force"]:
                self.clear()
            self._discard_damaged()
            begun = {"started": now(), "host": platform.node(), "process": os.getpid(), **environment()}
            write_yaml(self.path / "config.yaml", config)
            write_json(self.path / "status.json", {"state": "running", **begun})
            yield begun

    def _end(self, status: dict[str, Any], started: float) -> None:
        took = {"ended": now(), "duration": time.perf_counter() - started, "peak_memory": peak_memory()}
        write_json(self.path / "status.json", {**status, **took})
