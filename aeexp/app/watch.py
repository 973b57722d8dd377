"""The progress of a sweep: a line as each of its runs ends, whatever launcher runs it, read from the disk."""

import threading
import time
from collections.abc import Sequence
from types import TracebackType

from aeexp.runs.run import Run

SECONDS = 1.0  # between two looks at the disk


class Watch:
    """Prints `[3/12]  completed  <run>  4.1 s  (1 failed, 2 min left)` for each of the runs, until the block ends."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.waiting = {run: run.ended for run in runs}
        self.n, self.failed, self.began = len(runs), 0, time.monotonic()
        self.over, self.thread = threading.Event(), threading.Thread(target=self._look_often, daemon=True)

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.thread.join()

    def _look_often(self) -> None:
        while not self.over.wait(SECONDS):
            self.look()
        self.look()

    def look(self) -> None:
        """Prints a line for each run that has ended since."""
        for run, before in list(self.waiting.items()):
            ended = run.ended
            if ended is not None and ended != before:
                del self.waiting[run]
                self.failed += run.state != "completed"
                print(self._line(run), flush=True)

    def _line(self, run: Run) -> str:
        done = self.n - len(self.waiting)
        left = (time.monotonic() - self.began) / done * len(self.waiting)
        facts = [f"{self.failed} failed"] if self.failed else []
        facts += [f"{readable(left)} left"] if self.waiting else []
        more = f"  ({', '.join(facts)})" if facts else ""
        took = readable(run.status.get("duration", 0.0))
        return f"[{done:{len(str(self.n))}}/{self.n}]  {run.state}  {run.path.name}  {took}{more}"


def readable(seconds: float) -> str:
    """A duration as a person says it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
