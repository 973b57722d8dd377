"""The diffusion autoencoder against its chain of small steps, and against a network that knows the noise."""

import pytest
import torch

from aeexp.app.components import make_model
from aeexp.app.sweep import points
from aeexp.errors import UserError
from aeexp.types import Batch

SHAPE = (1, 8, 8)


def made(*words):
    torch.manual_seed(0)
    (point,) = points("train", ["model=diffusion", "bottleneck.dim=3", "model.widths=[4,4]", *words])
    return make_model(point.config, SHAPE).eval()


def test_the_closed_form_of_a_step_is_the_chain_of_the_steps_before_it():
    """Ho et al. (2020), eq. 2 and 4: x_s = sqrt(1 - beta_s) x_{s-1} + sqrt(beta_s) eps."""
    abar, beta = made().abar, torch.linspace(1e-4, 0.02, 1000)
    mean, variance = torch.ones(()), torch.zeros(())
    for s in range(1000):
        mean, variance = (1 - beta[s]).sqrt() * mean, (1 - beta[s]) * variance + beta[s]
        torch.testing.assert_close(abar[s + 1].sqrt(), mean)
        torch.testing.assert_close(1 - abar[s + 1], variance, atol=1e-5, rtol=1e-4)
    assert abar[0] == 1


def test_a_network_that_says_nothing_loses_what_the_noise_weighs():
    model, x = made(), torch.rand(4000, *SHAPE)
    model.predicted = lambda x_t, t, z: torch.zeros_like(x_t)
    recon = model.loss(Batch(x, torch.zeros(4000))).terms["recon"]  # chi square of 64 degrees
    assert recon.mean().item() == pytest.approx(64, abs=5 * (2 * 64 / 4000) ** 0.5)
    assert recon.var().item() == pytest.approx(128, rel=0.2)


@pytest.mark.parametrize(("sampled", "scale"), [(1, 1), (8, 1), (1000, 1), (8, 255)])
def test_a_network_that_knows_the_image_is_followed_to_it(sampled, scale):
    model = made(f"model.sampled={sampled}", f"data.scale={scale}", "likelihood=squared_error")
    truth = scale * torch.rand(5, *SHAPE)
    x = 2 * truth / scale - 1

    def knowing(x_t, t, z):
        abar = model.abar[t].view(-1, 1, 1, 1)
        return (x_t - abar.sqrt() * x) / (1 - abar).sqrt()

    model.predicted = knowing
    torch.testing.assert_close(model.decode(torch.zeros(5, 3)), truth, atol=1e-3 * scale, rtol=1e-3)


def test_it_and_only_it_has_no_loss_where_the_network_knows_the_noise():
    model, x = made(), torch.rand(6, *SHAPE)

    def knowing(x_t, t, z):
        abar = model.abar[t].view(-1, 1, 1, 1)
        return (x_t - abar.sqrt() * (2 * x - 1)) / (1 - abar).sqrt()

    model.predicted = knowing
    assert model.loss(Batch(x, torch.zeros(6))).terms["recon"].max() < 1e-2
    assert model.loss(Batch(x.flip(0), torch.zeros(6))).terms["recon"].mean() > 0.1


def test_codes_decide_the_image_and_times_the_noise():
    model = made()
    a, b = model.decode(torch.zeros(2, 3)), model.decode(torch.tensor([[0.0, 0, 0], [3.0, -3, 3]]))
    torch.testing.assert_close(a[0], a[1])
    torch.testing.assert_close(a[0], b[0])
    assert not torch.allclose(b[0], b[1])
    x_t, z = torch.rand(2, *SHAPE), torch.zeros(2, 3)
    assert not torch.allclose(*(model.predicted(x_t, torch.full((2,), t), z) for t in (1, 900)))


def test_more_sampled_steps_than_there_are_is_refused():
    with pytest.raises(UserError, match="from 1 to 1000"):
        made("model.sampled=1001")
