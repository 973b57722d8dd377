"""What every option of every group keeps, composed as a user composes it."""

import pytest
import torch
from composing import (
    CODES,
    GROUPS,
    MODELS,
    NETWORKS,
    PARTS,
    PROTOCOLS,
    assert_one_sentence,
    composed,
    configured,
    loss_or_refusal,
    made,
    options,
)
from conftest import same

from aeexp.app.check import check
from aeexp.app.components import make_model, trainable
from aeexp.app.packages import CONFIGS, folders
from aeexp.context.base import EvaluationContext
from aeexp.errors import NotApplicable, UserError
from aeexp.types import Batch


@pytest.fixture(scope="module")
def batch():
    x = torch.rand(24, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    return Batch(x, torch.arange(24) % 10)


def test_every_group_has_options():
    assert {group: len(options(group)) for group in GROUPS if len(options(group)) < 1} == {}
    assert set(GROUPS) >= {"data", "model", "code", "network", "likelihood", "evaluation", "table"}
    assert len(MODELS) >= 12
    assert len(PARTS) >= 25


def test_every_model_file_is_in_the_catalogue_of_configs():
    files = {file.stem for file in (CONFIGS.parent / "aeexp" / "models").glob("[!_]*.py")} - {"base", "scaled"}
    targets = [configured(f"model={model}")["model"]["_target_"].split(".") for model in MODELS]
    assert {name for _, *room, name, _ in targets if room == ["models"]} == files


@pytest.mark.parametrize("words", [[f"model={model}"] for model in MODELS] + [[part] for part in PARTS], ids="-".join)
class TestEveryKindAndPart:
    def test_loss_is_finite_per_example_and_total_is_one_number(self, words, batch):
        task, _ = made(*words)
        loss = task.model.loss(batch)
        assert "recon" in loss.terms
        assert loss.terms["recon"].shape == (len(batch.x),)
        for term in loss.terms.values():
            assert term.shape in ((), (len(batch.x),))
            assert term.isfinite().all()
        assert loss.total.shape == ()

    def test_every_trainable_parameter_gets_a_gradient(self, words, batch):
        task, _ = made(*words)
        if not trainable(task.model):
            file = f"{words[0].replace('=', '/')}.yaml"
            assert "a baseline" in next(folder / file for folder in folders() if (folder / file).exists()).read_text()
            return
        task.model.loss(batch).total.backward()
        without = [name for name, parameter in task.model.named_parameters() if parameter.grad is None]
        assert without == []

    def test_shapes_are_kept_and_encoding_is_deterministic_in_eval_mode(self, words, batch):
        task, _ = made(*words)
        model = task.model.eval()
        assert torch.equal(model.reconstruct(batch.x), model.reconstruct(batch.x))
        assert model.reconstruct(batch.x).shape == batch.x.shape
        try:
            code = model.encode(batch.x)
            assert code.z.shape == code.mean.shape
            assert len(code.mean) == len(batch.x)
            assert torch.equal(code.mean, model.encode(batch.x).mean)
            decoded = model.decode(code.mean)
            assert decoded.shape == batch.x.shape
            if "likelihood=categorical" not in words:  # of which symbols are drawn
                assert torch.equal(model.generate(code.mean), decoded)
        except UserError as refusal:
            assert_one_sentence(refusal)

    @pytest.mark.slow
    def test_it_is_trained_and_measured_in_mixed_precision(self, words, batch):
        task, _ = made(*words)
        with torch.autocast("cpu", torch.bfloat16):
            for model in (task.model, task.model.eval()):
                loss = model.loss(batch)
                assert loss.total.isfinite()
                assert model.reconstruct(*batch).isfinite().all()
        if trainable(task.model):
            loss.total.backward()

    @pytest.mark.slow
    def test_one_kernel_for_all_weights_steps_as_the_plain_optimizer(self, words, batch):
        task, _ = made(*words)
        if not (trainable(task.model) and task.configure_optimizers().defaults.get("fused")):
            return
        weights = [*task.model.parameters()]
        plain = [parameter.detach().clone().requires_grad_() for parameter in weights]
        fused, unfused = task.configure_optimizers(), task.optimizer(plain, fused=False)
        for _ in range(3):
            fused.zero_grad()
            task.model.loss(batch).total.backward()
            for parameter, other in zip(weights, plain, strict=True):
                other.grad = parameter.grad  # with its strides: where these are others, the kernel steps wrongly
            fused.step()
            unfused.step()
        for parameter, other in zip(weights, plain, strict=True):
            same(parameter, other)

    @pytest.mark.slow
    def test_loss_falls_on_one_batch(self, words, batch):
        task, _ = made(*words)
        if not trainable(task.model):
            return
        optimizer = task.configure_optimizers()

        def step():
            torch.manual_seed(0)
            optimizer.zero_grad()
            loss = task.model.loss(batch)
            loss.total.backward()
            optimizer.step()
            return loss.means["recon"].item()

        # of a codebook that learns by its gradient the total rises at first: the encoder moves faster than its entries
        errors = [step() for _ in range(30)]
        assert errors[-1] < errors[0]


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("model", MODELS)
def test_every_kind_trains_or_is_refused_with_every_network(model, network, batch):
    node = composed(f"network={network}")["network"]
    loss = loss_or_refusal(batch, f"model={model}", network=node, bottleneck={"dim": 8})
    assert loss is None or loss.total.isfinite()


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("model", MODELS)
def test_every_kind_trains_or_is_refused_with_every_code(model, code, batch):
    loss = loss_or_refusal(batch, f"model={model}", code=composed(f"code={code}")["code"], bottleneck={"dim": 1})
    assert loss is None or loss.total.isfinite()


@pytest.mark.slow
@pytest.mark.parametrize("evaluation", PROTOCOLS)
@pytest.mark.parametrize("model", MODELS)
def test_every_protocol_measures_every_kind(evaluation, model, tmp_path_factory, monkeypatch):
    from aeexp.app.build import build

    monkeypatch.chdir(tmp_path_factory.getbasetemp())  # for what protocols keep beside the runs
    words = [f"model={model}", f"evaluation=[{evaluation}]", "bottleneck=8"]
    task, data = made(*words)
    node = configured(*words)["evaluation"][evaluation]
    protocol = build({**node, **({"epochs": [1]} if "epochs" in node else {})}, evaluation)
    try:
        result = protocol(EvaluationContext(task.model, data, None, model))
    except NotApplicable as refusal:
        assert_one_sentence(refusal)
        return
    assert result.metrics or result.figures
    assert all(isinstance(value, float) for value in result.metrics.values())


@pytest.mark.slow
@pytest.mark.parametrize("option", [f"experiment={name}" for name in options("experiment")])
def test_every_recipe_composes(option):
    config = configured(option)
    assert config["evaluation"]
    assert make_model(config, (1, 28, 28)) is not None


@pytest.mark.parametrize("schedule", options("schedule"))
def test_every_schedule_is_built(schedule):
    check(configured(f"schedule={schedule}"))
