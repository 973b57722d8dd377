"""Selection: a checkpoint is chosen by the objective as it is trained, under noise that is the same in every epoch."""

import pytest
import torch
from composing import made

from aeexp.types import Batch


def validated(task, data):
    task.model.eval()
    task.on_validation_epoch_start()
    for number, batch in enumerate(data.val_dataloader()):
        task.validation_step(batch, number)
    task.training_noise.__exit__(None, None, None)
    return task.tally.means("val")


@pytest.mark.parametrize(
    "words", [["model=denoising"], ["model=vae"], ["model=masked"], ["code=binary_noisy"]], ids="-".join
)
def test_two_validations_have_the_same_noise_and_leave_that_of_the_training_alone(words):
    task, data = made(*words, "network.patch=4" if words == ["model=masked"] else "bottleneck=4")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = (validated(task, data) for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert first["val/loss"] == second["val/loss"]


def test_the_loss_that_selects_is_of_corrupted_input_and_the_clean_loss_has_a_name_of_its_own():
    task, data = made("model=denoising", "corruption=masking", "corruption.fraction=1.0")
    means, dark = validated(task, data), task.model
    x = data.val.x[:].float() * data.val.factor
    with torch.no_grad():
        blind = dark.likelihood.nll(dark.decoder(dark.code(dark.encoder(torch.zeros_like(x))).z), x).mean()
        clean = dark.clean_loss(Batch(x, data.val.y)).total
    torch.testing.assert_close(means["val/loss"], blind, rtol=1e-4, atol=0)
    torch.testing.assert_close(means["val/clean_loss"], clean, rtol=1e-4, atol=0)
    assert abs(blind - clean) > 1e-3 * clean
