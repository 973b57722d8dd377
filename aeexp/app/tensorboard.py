"""What a measured run shows in TensorBoard: its numbers, figures, codes, and its line of the HParams page."""

import hashlib
import json
import struct
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text.summary_v2 import text_pb

from aeexp.context.base import EvaluationContext
from aeexp.data.module import DataModule
from aeexp.errors import NotApplicable
from aeexp.files import write
from aeexp.report.collect import NOT_HYPERPARAMETERS, parameter
from aeexp.runs import events
from aeexp.runs.identity import NOT_IDENTITY, SHOWN
from aeexp.runs.run import Run
from aeexp.training import projector
from aeexp.training.task import Task

MEASURED, COLUMNS = "measured", "hparams"  # the names of the files of a run, and of the folder of all sweeps
PNG, WAV = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"RIFF"  # how the files begin


class EvaluationEvents:
    """Makes the file `measured` of a run: from its results, so that it is the same whenever it is made again."""

    def __init__(self, run: Run, task: Task, data: DataModule, context: EvaluationContext) -> None:
        self.run, self.config = run, run.config
        self.values = [] if context.optimizer else untrained(task, data)
        self.values += project(run, context)

    def show(self, entry: dict[str, Any]) -> None:
        """Everything among the results, and the `entry` of a protocol that is about to be."""
        protocols = [*self.run.results.get("protocols", []), entry]
        metrics = {name: value for each in protocols for name, value in each["metrics"].items() if value is not None}
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        figures = {f"{each['protocol']}/{title}": title for each in protocols for title in each.get("figures", [])}
        images = [image(tag, png) for tag, title in figures.items() if (png := self._kept(f"{title}.png", PNG))]
        heard = {f"{each['protocol']}/{title}": title for each in protocols for title in each.get("sounds", [])}
        sounds = [sound(tag, wav) for tag, title in heard.items() if (wav := self._kept(f"{title}.wav", WAV))]
        shown = [*session(self.run, self.config), *scalars, *images, *sounds, *self.values]
        events.replace(self.run.path, MEASURED, shown)
        folder = Path(self.config["runs"])
        if folder.resolve() == self.run.root:  # not one from elsewhere
            wanted = (self.config["table"] or {}).get("metrics", metrics)
            columns(folder, hyperparameters(self.config), [name for name in wanted if name in metrics])

    def _kept(self, name: str, signature: bytes) -> bytes | None:
        """A figure or a sound; None where it is damaged or gone, as of a protocol that ran long ago."""
        try:
            content = (self.run.figures / name).read_bytes()
        except OSError:
            return None
        return content if content.startswith(signature) else None


def hyperparameters(config: dict[str, Any]) -> dict[str, float | str]:
    """What a run is called by, and what was said on its command line, but its seed: numbers where they are numbers."""
    said = [key.lstrip("+~") for key in config["overrides"] if key != "bottleneck.dim"]
    values = {key: parameter(config, key) for key in [*SHOWN, *said] if key not in NOT_HYPERPARAMETERS}
    return {key: _number(value) for key, value in values.items() if value not in ("—", "null", "None")}


def group(config: dict[str, Any]) -> str:
    """A name that the runs of one sweep share which differ in their seeds alone, readable as a run's."""
    kept = {key: value for key, value in config.items() if key not in NOT_IDENTITY}
    shared = _seedless({**kept, **{key: config[key] for key in ("sweep", "choices", "evaluation")}})
    shown = [parameter(config, key) for key in SHOWN if key in hyperparameters(config)]
    return "-".join([*shown, hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:8]])


def session(run: Run, config: dict[str, Any]) -> list[Summary.Value]:
    """What the HParams page reads of a run. Runs of one group are one line of it, the mean of their metrics."""
    started = datetime.fromisoformat(run.status["started"]).timestamp() if run.status else 0.0
    start = hparams_pb(hyperparameters(config), trial_id=group(config), start_time_secs=started)
    end = HParamsPluginData(session_end_info=SessionEndInfo(status=api_pb2.STATUS_SUCCESS))
    return [*start.value, _for_hparams(metadata.SESSION_END_INFO_TAG, end)]


def columns(folder: Path, keys: dict[str, float | str], metrics: Iterable[str]) -> None:
    """Adds to the columns of the HParams page. They are kept once, for all sweeps: TensorBoard reads one such list."""
    with FileLock(folder / ".lock"):
        stored = [value.metadata.plugin_data.content for value in events.read(folder, COLUMNS)]
        known = metadata.parse_experiment_plugin_data(stored[0]) if stored else api_pb2.Experiment()
        types = {info.name: info.type for info in known.hparam_infos}
        for key, value in keys.items():
            type_ = api_pb2.DATA_TYPE_FLOAT64 if isinstance(value, float) else api_pb2.DATA_TYPE_STRING
            types[key] = type_ if types.get(key, type_) == type_ else api_pb2.DATA_TYPE_STRING
        tags = dict.fromkeys([*(info.name.tag for info in known.metric_infos), *metrics])
        page = api_pb2.Experiment(
            hparam_infos=[api_pb2.HParamInfo(name=key, type=type_) for key, type_ in types.items()],
            metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in tags],
        )
        if page != known:
            value = _for_hparams(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=page))
            events.replace(folder, COLUMNS, [value])


def untrained(task: Task, data: DataModule) -> list[Summary.Value]:
    """val/* of a model that nothing trains, under the names that training gives to the others."""
    torch.manual_seed(task.seed)
    with torch.no_grad():
        for number, batch in enumerate(data.val_dataloader()):
            task.validation_step(batch, number)
    return [Summary.Value(tag=name, simple_value=value.item()) for name, value in task.tally.means("val").items()]


def project(run: Run, context: EvaluationContext) -> list[Summary.Value]:
    """Writes what the projector reads, or gives a line of text that says why there is nothing to project."""
    test = context.data.test
    x, y = test[torch.arange(min(projector.EXAMPLES, len(test)))]
    try:
        with torch.no_grad():
            codes = context.model.encode(x).mean.flatten(1)
        reason = projector.impossible(codes, x)
    except NotApplicable as refusal:
        reason = str(refusal)
    if reason:
        return list(text_pb("projector", reason).value)
    for name, content in projector.files(codes, x / context.data.scale, [*map(context.class_name, y.tolist())]).items():
        write(run.path / name, content)
    return []


def image(tag: str, png: bytes) -> Summary.Value:
    width, height = struct.unpack(">II", png[16:24])
    return Summary.Value(
        tag=tag, image=Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
    )


def sound(tag: str, wav: bytes) -> Summary.Value:
    return Summary.Value(tag=tag, audio=Summary.Audio(encoded_audio_string=wav, content_type="audio/wav"))


def _for_hparams(tag: str, data: HParamsPluginData) -> Summary.Value:
    return Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR)


def _number(text: str) -> float | str:
    with suppress(ValueError):
        return float(text)
    return text


def _seedless(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _seedless(value) for key, value in node.items() if not f"_{key}".endswith("_seed")}
    return node
