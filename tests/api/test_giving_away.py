"""A finished run in a notebook, and as ONNX."""

import shutil
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch
from composing import MODELS, assert_one_sentence, configured, made
from conftest import ROOT, same
from PIL import Image

import aeexp
from aeexp.api import export
from aeexp.api.loaded import Loaded
from aeexp.app.session import train
from aeexp.data.examples import BATCH
from aeexp.errors import NotApplicable, UserError
from aeexp.runs.run import Run
from aeexp.types import Code

pytestmark = pytest.mark.slow


@cache
def of_kind(model, *words):
    """The untrained model of a model on the digits, as a notebook has it, and the digits."""
    task, data = made(f"model={model}", "bottleneck=8", *words)
    return Loaded(task.model, data, torch.device("cpu"), model), data


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One epoch of a variational autoencoder, by the functions that train.py calls."""
    run = Run(tmp_path_factory.mktemp("run") / "vae")
    config = configured("model=vae", "bottleneck=4", "trainer.max_epochs=1", "evaluation=[reconstruction]")
    with run.working(config):
        train(run, config)
    return run


def test_three_lines_give_the_model_back(run):
    model = aeexp.load(run.path)
    x = np.random.default_rng(0).random((5, 1, 8, 8), dtype=np.float32)
    z, y = model.encode(x), model.reconstruct(x)
    assert (z.shape, y.shape, z.dtype, y.dtype) == ((5, 4), (5, 1, 8, 8), np.float32, np.float32)
    np.testing.assert_allclose(model.decode(z), y, atol=1e-6)
    weights = torch.load(run.checkpoints / "best.ckpt", weights_only=True)["state_dict"]
    same(model.model.state_dict(), {name.removeprefix("model."): value for name, value in weights.items()})
    assert not model.model.training


def test_it_has_the_error_that_the_run_has(run):
    model, (_, data) = aeexp.load(str(run.path)), of_kind("vae")
    x = data.test[torch.arange(len(data.test))].x
    error = (model.reconstruct(x) - x).square().flatten(1).sum(1).double().mean().item()
    assert error == pytest.approx(run.metrics["reconstruction/squared_error"])


def test_importing_the_package_needs_no_torch():
    command = "import aeexp, aeexp.report, sys; sys.exit('torch' in sys.modules or 'hydra' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], cwd=ROOT).returncode == 0


def test_bytes_floats_tensors_and_pictures_of_the_same_values_have_the_same_code():
    model, data = of_kind("vae", "data.scale=4", "likelihood=squared_error")
    own = data.test.x[:3]  # bytes, 0..16
    floats = own.float() / 16 * 4
    pictures = [Image.fromarray((each[0] / 16 * 255).to(torch.uint8).numpy()) for each in own.float()]
    code = model.encode(floats)
    assert isinstance(code, torch.Tensor)
    same(model.encode(own), code)
    for x in (own.numpy(), floats.numpy(), floats.double().numpy()):
        assert isinstance(model.encode(x), np.ndarray)
        np.testing.assert_allclose(model.encode(x), code.numpy(), atol=1e-5)
    np.testing.assert_allclose(model.encode(pictures), code.numpy(), atol=0.02)  # a level of 255 is 0.016
    coloured = [picture.convert("RGB") for picture in pictures]
    np.testing.assert_array_equal(model.encode(coloured), model.encode(pictures))


def test_pictures_come_back_as_pictures():
    model, _ = of_kind("pixels", "data.scale=4", "likelihood=squared_error")
    pictures = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (8, 8), dtype=np.uint8)) for n in range(3)]
    for one, other in zip(pictures, model.reconstruct(pictures), strict=True):
        assert one.tobytes() == other.tobytes()
    assert model.reconstruct(pictures[0]).tobytes() == pictures[0].tobytes()
    assert model.encode(pictures[0]).shape == (64,)


@pytest.mark.parametrize("model", MODELS)
def test_one_example_is_a_batch_of_one_and_nothing_is_disturbed(model):
    model, data = of_kind(model)
    x = data.test[torch.arange(3)].x
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    try:
        z = model.encode(x)
        assert z.shape == (3, *model.code_shape)
        same(model.encode(x[0]), z[0])
        same(model.decode(z[0]), model.decode(z)[0], atol=1e-4, rtol=1e-4)
    except NotApplicable as refusal:
        assert_one_sentence(refusal)
    same(model.reconstruct(x[0]), model.reconstruct(x)[0], atol=1e-4, rtol=1e-4)
    try:
        drawn = model.sample(4, seed=1)
        assert drawn.shape == (4, 1, 8, 8)
        np.testing.assert_array_equal(drawn, model.sample(4, seed=1))
        assert not np.array_equal(drawn, model.sample(4, seed=2))
    except NotApplicable as refusal:
        assert_one_sentence(refusal)
    same(torch.rand(2), expected)


def test_it_says_what_it_is_draws_without_a_seed_and_refuses_what_is_no_number():
    model, _ = of_kind("vae")
    parameters = sum(parameter.numel() for parameter in model.model.parameters())
    assert repr(model) == f"<vae: examples (1, 8, 8), {parameters:,} parameters, on cpu>"
    assert model.sample(2).shape == (2, 1, 8, 8)
    assert not np.array_equal(model.sample(2), model.sample(2))
    x = np.full((3, 1, 8, 8), 0.5, dtype=np.float32)
    x[1, 0, 2, 3] = np.nan
    for method in (model.encode, model.reconstruct):
        with pytest.raises(UserError, match="not finite: choose"):
            method(x)
    with pytest.raises(UserError, match="choose at least 1"):
        model.sample(0)


def test_many_examples_go_through_in_batches(monkeypatch):
    model, _ = of_kind("undercomplete")
    sizes, encode = [], model.model.encode
    x = np.random.default_rng(0).random((2 * BATCH + 3, 1, 8, 8), dtype=np.float32)

    def with_switches(batch, y):
        sizes.append(len(batch))
        return encode(batch, y)

    monkeypatch.setattr(model.model, "encode", with_switches)
    codes = model.encode(x)
    assert sizes == [BATCH, BATCH, 3]
    np.testing.assert_allclose(codes[-3:], model.encode(x[-3:]), atol=1e-6)


def test_labels_reach_a_kind_that_reads_them_example_by_example(monkeypatch):
    model, _ = of_kind("undercomplete")
    x = torch.zeros(2 * BATCH, 1, 8, 8)
    monkeypatch.setattr(model.model, "encode", lambda x, y: Code(y[:, None], y[:, None]))
    same(model.encode(x, list(range(len(x))))[:, 0], torch.arange(len(x)))
    same(model.encode(x[0], 7), torch.tensor([7]))
    with pytest.raises(UserError, match="holds 2 labels of 2000 examples") as refusal:
        model.encode(x, [1, 2])
    assert_one_sentence(refusal.value)


WRONG = {
    "shape": np.zeros((3, 28, 28), np.float32),
    "not scaled": np.full((3, 1, 8, 8), 16.0),
    "below": np.full((3, 1, 8, 8), -2.0),
    "integers": np.zeros((3, 1, 8, 8), np.int64),
    "text": np.array(["a"]),
    "a list": [[0.0]],
    "nothing": [],
    "size": Image.new("L", (28, 28)),
}


@pytest.mark.parametrize("x", WRONG.values(), ids=WRONG)
def test_what_it_cannot_read_is_said_in_a_sentence(x):
    with pytest.raises(UserError) as refusal:
        of_kind("vae")[0].encode(x)
    assert_one_sentence(refusal.value)


def test_a_code_of_another_width_and_a_device_and_a_run_that_are_not_there(run, tmp_path):
    with pytest.raises(UserError, match=r"reads \(8,\) or \(N, 8\)") as refusal:
        of_kind("vae")[0].decode(np.zeros((2, 3)))
    assert_one_sentence(refusal.value)
    for device in ("quantum", "cuda:77"):
        with pytest.raises(UserError, match=device) as refusal:
            aeexp.load(run.path, device=device)
        assert_one_sentence(refusal.value)
    for path, words in (
        (tmp_path, "is no run's"),
        (tmp_path / "none", "is no run's"),
        (run.path.parent, "holds 1 run"),
    ):
        with pytest.raises(UserError, match=words):
            aeexp.load(path)


def test_a_run_is_given_away_without_its_data(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((60, 6), dtype=np.float32))
    words = ["data=array", "data.source.x=x.npy", "data.test=10", "trainer.max_epochs=1", "evaluation=[reconstruction]"]
    config = configured(*words, f"data.root={tmp_path}", "bottleneck=2", "likelihood=squared_error")
    run = Run(tmp_path / "run")
    with run.working(config):
        train(run, config)
    (tmp_path / "x.npy").unlink()
    assert aeexp.load(run.path).encode(np.zeros((3, 6))).shape == (3, 2)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_every_kind_is_the_same_in_onnxruntime(model):
    model, data = of_kind(model)
    x = data.test[torch.arange(5)].x
    try:
        (encoder, _), (decoder, _) = (export.onnx_of(part(model), {}) for part in (export.Encoder, export.Decoder))
    except UserError as refusal:  # a model of which a code is not all that it needs
        assert_one_sentence(refusal)
        whole, _ = export.onnx_of(export.Whole(model), {})
        same(_run(whole, x), model.reconstruct(x), atol=1e-4, rtol=1e-4)
        return
    z = model.encode(x)
    same(_run(encoder, x), z, atol=1e-5, rtol=1e-5)
    same(_run(decoder, z), model.decode(z), atol=1e-3, rtol=1e-3)


def _run(content, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(content)
    return torch.as_tensor(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


def run_export(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["export", *words])
    export.main()


def test_the_command_writes_what_says_where_it_is_from(run, tmp_path, monkeypatch, capfd):
    import onnxruntime

    run_export(monkeypatch, f"run={run.path}", "part=encoder", f"output={tmp_path}")
    out, err = capfd.readouterr()
    assert "encoder.onnx  differs from the model by at most" in out
    assert err == ""
    assert [file.name for file in tmp_path.iterdir()] == ["encoder.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "encoder.onnx")
    assert session.get_modelmeta().custom_metadata_map == {"run": "vae", "shape": "[1, 8, 8]", "scale": "1"}
    x = np.random.default_rng(0).random((9, 1, 8, 8), dtype=np.float32)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], aeexp.load(run.path).encode(x), atol=1e-5)


def test_all_runs_of_a_directory_are_exported(run, tmp_path, monkeypatch, capfd):
    for name in ("one", "two"):
        shutil.copytree(run.path, tmp_path / "runs" / name)
    run_export(monkeypatch, f"run={tmp_path / 'runs'}", "part=decoder", f"output={tmp_path / 'out'}")
    assert len(capfd.readouterr().out.splitlines()) == 2
    assert {file.parent.name for file in (tmp_path / "out").rglob("decoder.onnx")} == {"one", "two"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "say which run"),
        (["run=nowhere"], "nowhere is no run's directory"),
        (["run=nowhere", "part=all"], "choose one of encoder, decoder, both, autoencoder"),
        (["path=nowhere"], "path=nowhere is nothing that is asked"),
    ],
)
def test_what_the_command_cannot_do_it_says_in_a_sentence(words, sentence, monkeypatch):
    with pytest.raises(SystemExit, match=sentence):
        run_export(monkeypatch, *words)


def test_a_missing_package_is_named_with_the_way_to_it(monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"pip install 'aeexp\[onnx\]'"):
        run_export(monkeypatch, "run=nowhere")


def test_a_file_that_differs_from_the_model_is_not_kept(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export.Encoder, "forward", lambda self, x: self.model.encode(x).mean * (1 + self.calls(x)))
    monkeypatch.setattr(export.Encoder, "calls", lambda self, x: 0.1 * torch.onnx.is_in_onnx_export(), raising=False)
    with pytest.raises(SystemExit, match="differs from the model by"):
        run_export(monkeypatch, f"run={run.path}", "part=encoder", f"output={tmp_path}")
    assert list(tmp_path.iterdir()) == []


def test_a_kind_that_takes_the_size_of_a_batch_for_a_constant_is_told_so(monkeypatch):
    monkeypatch.setattr(export.Encoder, "forward", lambda self, x: x.flatten(1) + torch.ones(len(x), 1))
    with pytest.raises(UserError, match="one size of a batch alone") as refusal:
        export.onnx_of(export.Encoder(of_kind("pixels")[0]), {})
    assert_one_sentence(refusal.value)


@pytest.mark.parametrize(("model", "part"), [("unet", export.Encoder), ("conv_unpool", export.Decoder)])
def test_what_a_kind_does_not_have_is_not_exported(model, part):
    with pytest.raises(UserError, match="part=autoencoder") as refusal:
        export.onnx_of(part(of_kind(model)[0]), {})
    assert_one_sentence(refusal.value)
