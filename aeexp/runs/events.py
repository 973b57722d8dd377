"""TensorBoard's event files of a directory: cut back to a step, or written whole.

A directory keeps one growing file for each time that its training was started, and one named `events.out.tfevents.
<name>` for what is known as a whole, which is replaced. TensorBoard takes every file with `tfevents` in its name, which
the temporary file of a write has not.
"""

import io
import time
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from aeexp.files import write

PREFIX = "events.out.tfevents."
GROWING = PREFIX + "[0-9]*"  # the writer's own names go on with the time
FRAME = 16  # bytes around a record: its length, and two checksums


def truncate(folder: Path, step: int) -> None:
    """Removes what was written at `step` or later from the files that grow, and a last record that was cut short."""
    for path in sorted(folder.glob(GROWING)):
        records = list(takewhile(lambda record: _before(record, step), RawEventFileLoader(str(path)).Load()))
        length = sum(len(record) + FRAME for record in records)
        if len(records) < 2:  # no more than the header with which a file begins
            path.unlink()
        elif length < path.stat().st_size:
            write(path, path.read_bytes()[:length])


def copy(source: Path, folder: Path) -> None:
    """The files of another directory that grow."""
    for path in sorted(source.glob(GROWING)):
        write(folder / path.name, path.read_bytes())


def replace(folder: Path, name: str, values: Iterable[Summary.Value]) -> None:
    """Writes the file `name` with these values, at step 0."""
    buffer, now = io.BytesIO(), time.time()
    writer = RecordWriter(buffer)
    writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
    for value in values:
        writer.write(Event(wall_time=now, step=0, summary=Summary(value=[value])).SerializeToString())
    write(folder / (PREFIX + name), buffer.getvalue())


def read(folder: Path, name: str) -> list[Summary.Value]:
    """What `replace` wrote; nothing where there is no file."""
    path = folder / (PREFIX + name)
    events = map(Event.FromString, RawEventFileLoader(str(path)).Load() if path.exists() else [])
    return [value for event in events for value in event.summary.value]


def curve(folder: Path, name: str) -> list[float]:
    """The values of a scalar in the order of their steps, from the files that grow."""
    found: dict[int, float] = {}
    for path in sorted(folder.glob(GROWING)):
        for event in map(Event.FromString, RawEventFileLoader(str(path)).Load()):
            found |= [(event.step, value.simple_value) for value in event.summary.value if value.tag == name]
    return [found[step] for step in sorted(found)]


def _before(record: bytes, step: int) -> bool:
    event = Event.FromString(record)
    return event.HasField("file_version") or event.step < step
