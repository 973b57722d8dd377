"""A finished run as ONNX:  aeexp export run=runs/single/vae-digits-32-s0-... [part=encoder] [output=folder]

    part=encoder      encoder.onnx      x (N, *shape) in [0, data.scale] -> z (N, *positions, D), the mean code
    part=decoder      decoder.onnx      z -> the mean example (N, *shape)
    part=both         both of these, which is what is made where no part is named
    part=autoencoder  autoencoder.onnx  x -> its reconstruction

float32, any N. Each is run by onnxruntime on random examples before it is kept, and must give what the model gives. The
files stand in `output`, or else in the run's directory; what x was scaled to, and which run it was, is their metadata.
Of a directory that holds several runs, all are exported.
"""

import sys
import warnings
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from aeexp.api.loaded import Loaded, loaded
from aeexp.errors import NotApplicable, UserError
from aeexp.files import write
from aeexp.runs.run import find

NEEDED = ("onnx", "onnxscript", "onnxruntime")
TRIED = (1, 2, 7)  # batch sizes
TOLERANCE = 1e-4  # of the largest number: float32 sums in another order
UNHELPFUL = (  # torch's own warnings, about its own parts, as it traces an LSTM
    ".*_check_is_size will be removed.*",
    ".*tensor attributes .*_flat_weights.*",
)


class Part(nn.Module, ABC):
    """What becomes one file: a function of one tensor."""

    name: str
    reads: str
    gives: str

    def __init__(self, run: Loaded) -> None:
        super().__init__()
        self.model, self.shape, self.scale = run.model, run.shape, run.scale
        self.eval()

    @abstractmethod
    def inputs(self, n: int) -> Tensor:
        """n random examples of what it reads"""

    def random(self, n: int) -> Tensor:
        """(n, *shape) in [0, scale]"""
        return self.scale * torch.rand(n, *self.shape, generator=torch.Generator().manual_seed(n))


class Encoder(Part):
    name, reads, gives = "encoder", "x", "z"

    def inputs(self, n: int) -> Tensor:
        return self.random(n)

    def forward(self, x: Tensor) -> Tensor:
        return self.model.encode(x).mean


class Decoder(Part):
    name, reads, gives = "decoder", "z", "reconstruction"

    def inputs(self, n: int) -> Tensor:
        return self.model.encode(self.random(n)).mean

    def forward(self, z: Tensor) -> Tensor:
        return self.model.decode(z)


class Whole(Part):
    name, reads, gives = "autoencoder", "x", "reconstruction"

    def inputs(self, n: int) -> Tensor:
        return self.random(n)

    def forward(self, x: Tensor) -> Tensor:
        return self.model.reconstruct(x)


PARTS: dict[str, tuple[type[Part], ...]] = {
    "encoder": (Encoder,),
    "decoder": (Decoder,),
    "both": (Encoder, Decoder),
    "autoencoder": (Whole,),
}


def onnx_of(part: Part, facts: dict[str, str]) -> tuple[bytes, float]:
    """A part's file, and the largest difference from the model. UserError where it cannot be exported, or differs."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        for message in UNHELPFUL:
            warnings.filterwarnings("ignore", message)
        try:
            example = part.inputs(2)
            part(example)
        except NotApplicable as refusal:
            raise UserError(f"part={part.name}: {refusal}, or part=autoencoder") from None
        try:
            program = torch.onnx.export(
                part,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("N")},),
                input_names=[part.reads],
                output_names=[part.gives],
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            reason = " ".join(str(error.__cause__ or error).split())[:200]
            raise UserError(f"part={part.name} of this model cannot be exported, choose another ({reason})") from None
        assert program is not None  # what torch gives without dynamo
        program.model.metadata_props.update(facts)
        content = program.model_proto.SerializeToString()
        return content, difference(part, content)


def difference(part: Part, content: bytes) -> float:
    """The largest over random examples. UserError where it is more than the order of float32 sums explains."""
    from onnxruntime import InferenceSession

    session, largest = InferenceSession(content), 0.0
    if not isinstance(session.get_inputs()[0].shape[0], str):
        raise UserError(
            f"part={part.name} of this model is for one size of a batch alone: choose x.shape[0] for len(x) in the "
            "code of the model, which torch takes for a constant"
        )
    for n in TRIED:
        values = part.inputs(n)
        expected = part(values).numpy()
        (found,) = session.run(None, {part.reads: values.numpy()})
        largest = max(largest, float(np.abs(found - expected).max()))
        if not largest <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise UserError(f"onnxruntime gives what differs from the model by {largest:g}: choose another part")
    return largest


def export(run: str, part: str, output: str) -> dict[Path, float]:
    """The files that were written, and how far each is from the model. UserError where that cannot be."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(f"exporting needs {', '.join(missing)}, which is not installed: pip install 'aeexp[onnx]'")
    if part not in PARTS:
        raise UserError(f"part={part} does not exist: choose one of {', '.join(PARTS)}")
    given = loaded(run, "cpu")
    facts = {"run": Path(run).resolve().name, "shape": str(list(given.shape)), "scale": str(given.scale)}
    made = {each.name: onnx_of(each(given), facts) for each in PARTS[part]}
    for name, (content, _) in made.items():
        write(Path(output) / f"{name}.onnx", content)
    return {Path(output) / f"{name}.onnx": largest for name, (_, largest) in made.items()}


def main() -> None:
    if {"--help", "-h"} & {*sys.argv[1:]}:
        print(__doc__.strip())
        return
    asked: dict[str, str] = {}
    try:
        for word in sys.argv[1:]:
            key, _, value = word.partition("=")
            if key not in ("run", "part", "output") or not value:
                raise UserError(f"{word} is nothing that is asked here: choose run=, part= or output=")
            asked[key] = value
        if "run" not in asked:
            raise UserError("say which run: choose run=<its directory>")
        runs = [str(run.path) for run in find(Path(asked["run"]))] or [asked["run"]]
        for run in runs:
            output = Path(asked.get("output", run), Path(run).name if "output" in asked and len(runs) > 1 else "")
            for path, largest in export(run, asked.get("part", "both"), str(output)).items():
                print(f"{path}  differs from the model by at most {largest:.1e}")
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}")


if __name__ == "__main__":
    main()
