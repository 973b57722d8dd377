"""Learning-rate schedules by those of torch; clipped gradients; averaged weights."""

import pytest
import pytorch_lightning as pl
import torch
from conftest import same
from torch.optim import lr_scheduler

from aeexp.app import session
from aeexp.app.check import check
from aeexp.app.sweep import points
from aeexp.errors import UserError
from aeexp.training.task import Task

STEPS, EPOCHS, LR = 5, 6, 0.01  # steps of an epoch


def torchs(make):
    """The learning rate of each step, as torch's own scheduler has it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], LR)
    scheduler, rates = make(optimizer), []
    for _ in range(STEPS * EPOCHS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


ORACLES = {
    "schedule=cosine schedule.learning_rate.warmup=0 schedule.learning_rate.final=0.1": lambda optimizer: (
        lr_scheduler.CosineAnnealingLR(optimizer, STEPS * EPOCHS, eta_min=0.1 * LR)
    ),
    "schedule=step schedule.learning_rate.epochs=2": lambda optimizer: lr_scheduler.StepLR(optimizer, 2 * STEPS, 0.1),
    "schedule=warm_up schedule.learning_rate.warmup=0.3": lambda optimizer: lr_scheduler.LinearLR(
        optimizer, 1 / 9, total_iters=8
    ),
}


def trained(tmp_path, *words):
    """A run, whose training part is five batches of its 1,293 examples."""
    said = ["trainer.max_epochs=6", "data.batch_size=259", "optimizer=sgd", f"optimizer.lr={LR}", f"runs={tmp_path}"]
    (point,) = points("train", [*said, *words, "evaluation=[reconstruction]"])
    check(point.config)
    with point.run.working(point.config):
        session.train(point.run, point.config)
    return point.run


@pytest.fixture
def seen(monkeypatch):
    """The learning rate of each step, and the weights before it."""
    found, step = [], Task.training_step

    def recorded(task, *words):
        weights = [parameter.detach().clone() for parameter in task.model.parameters()]
        found.append((task.trainer.optimizers[0].param_groups[0]["lr"], weights))
        return step(task, *words)

    monkeypatch.setattr(Task, "training_step", recorded)
    return found


@pytest.mark.parametrize("words", ORACLES)
def test_the_learning_rate_of_each_step_is_torchs(seen, tmp_path, words):
    trained(tmp_path, *words.split())
    same([rate for rate, _ in seen], torchs(ORACLES[words]))


def test_one_cycle_rises_and_falls_as_torchs_does(seen, tmp_path):
    """torch counts from the first to the last step, and the factor from the first to the one after the last."""
    trained(tmp_path, "schedule=one_cycle", "schedule.learning_rate.first=0.04")
    total = STEPS * EPOCHS + 1
    rates = torchs(
        lambda optimizer: lr_scheduler.OneCycleLR(optimizer, LR, total, pct_start=10 / 30, cycle_momentum=False)
    )
    mine = [rate for rate, _ in seen]
    assert mine.index(max(mine)) == 9 == rates.index(max(rates)) or abs(mine.index(max(mine)) - 9) <= 1
    same(mine[0], 0.04 * LR)
    assert mine[-1] < 0.02 * LR
    assert sorted(mine[:9]) == mine[:9] and sorted(mine[9:], reverse=True) == mine[9:]


def test_after_the_warm_up_a_cosine_is_the_one_of_the_steps_that_are_left(seen, tmp_path):
    trained(tmp_path, "schedule=cosine", "schedule.learning_rate.warmup=0.2")
    rates = [rate for rate, _ in seen]
    same(rates[:6], [LR * (i + 1) / 6 for i in range(6)])
    same(
        rates[6:],
        [LR * (1 + torch.cos(torch.tensor(torch.pi * i / 24)).item()) / 2 for i in range(24)],
        rtol=1e-5,
        atol=0,
    )


def test_on_a_plateau_the_rate_falls_as_torchs_does(seen, tmp_path, monkeypatch):
    """Of losses that are given: torch waits for more than its patience, we for as many epochs."""
    losses = iter([5.0, 4.0, 4.0, 4.5, 3.0, 3.5])
    log = Task.log_dict

    def given(task, numbers, **options):
        changed = {"val/loss": torch.tensor(next(losses))} if "val/loss" in numbers else {}
        log(task, {**numbers, **changed}, **options)

    monkeypatch.setattr(Task, "log_dict", given)
    trained(tmp_path, "schedule=plateau", "schedule.learning_rate.patience=2", "schedule.learning_rate.gamma=0.5")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], LR)
    scheduler, expected = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, threshold=0), []
    for loss in [5.0, 4.0, 4.0, 4.5, 3.0, 3.5]:
        expected += [optimizer.param_groups[0]["lr"]] * STEPS
        scheduler.step(loss)
    assert len(set(expected)) == 2
    same([rate for rate, _ in seen], expected)


@pytest.mark.slow
def test_the_rate_is_logged_and_what_was_killed_goes_on_with_it(seen, tmp_path, monkeypatch):
    alone = trained(tmp_path / "alone", "schedule=[plateau,ema]")
    whole = [rate for rate, _ in seen]
    seen.clear()
    stop = Task.on_train_epoch_start

    def killed(task):
        if task.current_epoch == 3 and len(seen) == 3 * STEPS:
            raise OSError("killed")
        stop(task)

    monkeypatch.setattr(Task, "on_train_epoch_start", killed)
    with pytest.raises(OSError, match="killed"):
        trained(tmp_path / "killed", "schedule=[plateau,ema]")
    monkeypatch.setattr(Task, "on_train_epoch_start", stop)
    resumed = trained(tmp_path / "killed", "schedule=[plateau,ema]")
    assert [rate for rate, _ in seen] == whole
    one, other = (session.load(run.checkpoints / "last.ckpt")["state_dict"] for run in (alone, resumed))
    same(one, other, rtol=0, atol=0)


def test_averaged_weights_are_kept_and_evaluated(seen, tmp_path):
    run = trained(tmp_path, "schedule=ema", "schedule.ema.decay=0.9")
    moved = [weights for _, weights in seen[1:]]  # after each step but the last, whose weights the checkpoint has
    last = session.load(run.checkpoints / "last.ckpt")
    current = [value for name, value in last["current_model_state"].items() if name.startswith("model.")]
    average = moved[0]
    for weights in [*moved[1:], current]:
        average = [0.9 * a + 0.1 * w for a, w in zip(average, weights, strict=True)]
    kept = [value for name, value in last["state_dict"].items() if name.startswith("model.")]
    same(kept, average, rtol=1e-4, atol=1e-6)
    assert max((a - w).abs().max() for a, w in zip(kept, current, strict=True)) > 1e-4


@pytest.mark.parametrize("longest", [0.5, None])
def test_gradients_are_cut_to_the_norm_that_is_asked_for(tmp_path, monkeypatch, longest):
    norms = []

    def noted(task, optimizer):
        gradients = [parameter.grad.flatten() for parameter in task.model.parameters()]
        norms.append(torch.cat(gradients).norm().item())

    clip = pl.LightningModule.configure_gradient_clipping

    def clipped(task, optimizer, *words, **options):
        clip(task, optimizer, *words, **options)
        noted(task, optimizer)

    monkeypatch.setattr(Task, "configure_gradient_clipping", clipped)
    trained(tmp_path, f"trainer.gradient_clip_val={'null' if longest is None else longest}", "trainer.max_epochs=1")
    assert len(norms) == STEPS
    assert max(norms) > 1 if longest is None else max(norms) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(
    "words",
    [
        "schedule=cosine schedule.learning_rate.warmup=1",
        "schedule=step schedule.learning_rate.epochs=0",
        "schedule=one_cycle schedule.learning_rate.rising=0",
        "schedule=plateau schedule.learning_rate.patience=0",
        "schedule=plateau schedule.learning_rate.monitor=val/lost",
    ],
)
def test_schedules_that_make_no_sense_are_refused(tmp_path, words):
    with pytest.raises(UserError, match="choose"):
        trained(tmp_path, *words.split())
