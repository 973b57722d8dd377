"""Tasks are corruptions with a target: each against what can be worked out, and the protocol that measures them."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool1d, avg_pool2d, interpolate
from torchvision.transforms.functional import rgb_to_grayscale

from aeexp.context.base import EvaluationContext
from aeexp.context.restorers import GaussianBlur, Median
from aeexp.corruptions import Blocks, Coarse, Gaussian, Gray, SaltAndPepper, Uncorrupted, WhiteNoise
from aeexp.data.examples import Examples
from aeexp.errors import UserError
from aeexp.evaluation.restoration import Restoration

IMAGES, SERIES, STEPS = (64, 3, 12, 20), (64, 50), (64, 30, 2)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def draw(*shape):
    return 0.1 + 0.8 * torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [IMAGES, SERIES, STEPS], ids=str)
@pytest.mark.parametrize(
    "corruption",
    [Blocks(0.4, 2, 0.0, 1.0), Coarse(4), WhiteNoise(5.0, 1.0, True), Gray()],
    ids=lambda c: type(c).__name__,
)
def test_shape_is_kept_and_values_stay_in_range(corruption, shape):
    if isinstance(corruption, Gray) and len(shape) < 4:
        with pytest.raises(UserError, match="needs images of 1 or 3 channels"):
            corruption(torch.zeros(shape))
        return
    x = draw(*shape)
    before = x.clone()
    seen = corruption(x)
    assert seen.shape == x.shape and seen.dtype == x.dtype and seen.min() >= 0 and seen.max() <= 1
    assert not torch.equal(seen, x) and torch.equal(x, before)
    assert (
        corruption(torch.zeros(shape, device="meta")).shape == x.shape
    )  # what is checked before any memory is asked for


@pytest.mark.parametrize("shape", [IMAGES, SERIES, STEPS], ids=str)
def test_one_block_hides_one_box_of_the_size_asked_for_anywhere_at_all(shape):
    hidden = Blocks(0.5, 1, 0.5, 255.0).train()(2 * torch.ones(2000, *shape[1:])) == 127.5
    axes = (2, 3) if len(shape) == 4 else (1,)
    for axis in axes:
        others = [other for other in range(1, len(shape)) if other != axis]
        along = hidden.amax(others) if others else hidden  # (B, n)
        n = shape[axis]
        assert (along.sum(1) == n // 2).all()
        assert ((along[:, 1:] != along[:, :-1]).sum(1) <= 2).all()  # in one piece
        assert along.any(0).all() and len(along.unique(dim=0)) > n // 4
    area = hidden.flatten(1).sum(1) / hidden[0].numel()
    assert torch.allclose(area, torch.full_like(area, 0.5 ** len(axes)))


def test_blocks_cover_each_other_and_never_more_than_their_number():
    hidden = Blocks(0.25, 4, 0.0, 1.0).train()(torch.ones(500, 1, 16, 16)) == 0
    area = hidden.flatten(1).double().mean(1)
    assert area.max() <= 4 / 16 and area.min() >= 1 / 16 and len(area.unique()) > 10
    with pytest.raises(UserError, match="count"):
        Blocks(0.25, 0, 0.0, 1.0)


def test_gray_is_the_luminance_and_gray_already_stays():
    x = draw(*IMAGES)
    assert torch.allclose(Gray()(x), rgb_to_grayscale(x, 3), atol=2e-4)  # torchvision rounds the weights otherwise
    assert torch.allclose(Gray()(Gray()(x)), Gray()(x), atol=1e-6)
    assert torch.equal(Gray()(x[:, :1]), x[:, :1])


@pytest.mark.parametrize("factor", [2, 4])
def test_coarse_is_pooling_and_nearest_interpolation(factor):
    x = draw(*IMAGES)
    pooled = interpolate(avg_pool2d(x, factor), scale_factor=factor)
    assert torch.allclose(Coarse(factor)(x), pooled, atol=1e-6)
    x = draw(5, 1, 24)
    assert torch.allclose(
        Coarse(factor)(x[:, 0]), interpolate(avg_pool1d(x, factor), scale_factor=factor)[:, 0], atol=1e-6
    )


@pytest.mark.parametrize("n", [7, 9, 10])
def test_coarse_keeps_the_mean_of_each_group_also_of_one_that_is_cut_short(n):
    x = draw(3, n)
    seen = Coarse(4)(x)
    for first in range(0, n, 4):
        group = slice(first, first + 4)
        assert torch.allclose(seen[:, group], x[:, group].mean(1, keepdim=True).expand(-1, len(range(n)[group])))
    assert torch.equal(Coarse(1)(x), x)
    assert torch.allclose(Coarse(99)(x), x.mean(1, keepdim=True).expand(-1, n))


@pytest.mark.parametrize("decibels", [0.0, 10.0, 20.0])
def test_white_noise_has_the_power_asked_for_however_loud_the_sound_is(decibels):
    t = torch.linspace(0, 60, 20_000)
    x = 0.5 + torch.tensor([[0.01], [0.05], [0.1]]) * t.sin()
    noise = WhiteNoise(decibels, 1.0, True)(x) - x
    ratio = 10 * (x.var(1) / noise.var(1)).log10()
    assert torch.allclose(ratio, torch.full((3,), decibels), atol=0.2)
    silence = torch.full((1, 50), 0.5)
    assert torch.equal(WhiteNoise(decibels, 1.0, True)(silence), silence)


# the protocol


class Undo(nn.Module):
    """An autoencoder that gives back a given function of what it sees."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def reconstruct(self, x, y=None):
        return self.function(x)


def context(function, scale=1.0):
    x = torch.randint(60, 190, (120, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    test = Examples(x, torch.zeros(120, dtype=torch.int64), scale / 255)
    data = SimpleNamespace(train=test, val=test, test=test, shape=(3, 8, 8), classes=1, scale=scale, rate=None)
    return EvaluationContext(Undo(function), data, None, "undo")


def test_a_model_that_does_nothing_gains_nothing():
    metrics = Restoration(Blocks(0.5, 1, 0.0, 1.0), {}, 100, 0)(context(lambda x: x)).metrics
    assert metrics["gain"] == 0
    assert metrics["squared_error"] == metrics["input_squared_error"] > 1


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_the_error_of_the_noise_is_its_variance(scale):
    metrics = Restoration(Gaussian(0.05, scale, True), {}, 100, 0)(context(lambda x: x, scale)).metrics
    assert metrics["input_squared_error"] == pytest.approx(192 * (0.05 * scale) ** 2, rel=0.05)
    assert metrics["input_psnr"] == pytest.approx(20 * torch.tensor(1 / 0.05).log10().item(), abs=0.2)


def test_an_oracle_is_perfect_and_a_constant_is_not():
    whole = context(None)
    truth = whole.data.test[torch.arange(120)].x
    whole.model.function = lambda x: truth[: len(x)]
    metrics = Restoration(Gray(), {}, 100, 0)(whole).metrics
    assert metrics["squared_error"] == 0 and metrics["psnr"] == float("inf") and metrics["input_squared_error"] > 0
    assert Restoration(Gray(), {}, 100, 0)(context(torch.zeros_like)).metrics["gain"] < 0


def test_the_noise_follows_its_own_seed_is_the_same_for_all_models_and_leaves_the_generator_alone():
    state = torch.get_rng_state()
    one, two = (
        Restoration(Gaussian(0.3, 1.0, True), {}, 100, 0)(context(f)).metrics for f in (lambda x: x, torch.zeros_like)
    )
    other = Restoration(Gaussian(0.3, 1.0, True), {}, 100, 1)(context(lambda x: x)).metrics
    assert one["input_squared_error"] == two["input_squared_error"] != other["input_squared_error"]
    assert torch.equal(torch.get_rng_state(), state)


def test_without_a_corruption_there_is_no_gain_to_tell():
    result = Restoration(Uncorrupted(), {}, 100, 0)(context(lambda x: x))
    assert "gain" not in result.metrics and result.metrics["input_psnr"] == float("inf")
    assert set(result.figures) == {"restorations"}


def test_the_filter_is_chosen_on_validation_images_and_named():
    filters = {"median": Median(3), "blur": GaussianBlur(3.0), "nothing": Median(1)}
    whole = context(lambda x: x)
    smooth = torch.arange(8).expand(120, 3, 8, 8).mul(20).to(torch.uint8)
    for part in (whole.data.val, whole.data.test):
        part.x = smooth
    result = Restoration(SaltAndPepper(0.1, 1.0), filters, 50, 0)(whole)
    assert result.facts == {"filter": "median"}
    assert result.metrics["filter_psnr"] > result.metrics["input_psnr"] + 5 == result.metrics["psnr"] + 5
    assert Restoration(Uncorrupted(), filters, 50, 0)(context(lambda x: x)).facts == {"filter": "nothing"}


def test_what_is_no_image_has_no_filter():
    whole = context(lambda x: x)
    whole.data.shape = (192,)
    for part in (whole.data.train, whole.data.test):
        part.x = part.x.flatten(1)
    protocol = Restoration(Gaussian(0.1, 1.0, True), {"median": Median(3)}, 50, 0)
    result = protocol(whole)
    assert "filter_psnr" not in result.metrics and "pixelwise_psnr" in result.metrics and result.facts == {}
