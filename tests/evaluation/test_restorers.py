"""Restoration without a network: each baseline against numpy, or what it does to images that are known."""

import numpy as np
import pytest
import torch
from conftest import same

from aeexp.context.restorers import Bicubic, GaussianBlur, Median, Pixelwise
from aeexp.corruptions import Gaussian, Quadrants
from aeexp.errors import UserError
from aeexp.evaluation.restoration import Restoration
from aeexp.types import Batch


def images(n=6, channels=2, height=9, width=7):
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_median_is_of_the_pixels_around_each_with_the_edges_repeated(size):
    x, reach = images(), size // 2
    around = torch.nn.functional.pad(x, (reach,) * 4, mode="replicate")
    found = Median(size)(x)
    for i, j in ((0, 0), (4, 3), (8, 6)):
        window = around[..., i : i + size, j : j + size].flatten(2)
        same(found[..., i, j], window.median(2).values)


@pytest.mark.parametrize("std", [0.5, 1.0, 1.5])
def test_a_gaussian_spreads_a_pixel_by_its_density(std):
    x = torch.zeros(1, 2, 25, 25)
    x[0, 1, 12, 12] = 1
    weights = (-0.5 * ((torch.arange(25.0) - 12) / std) ** 2).exp()
    expected = weights[:, None] * weights / weights.sum() ** 2
    found = GaussianBlur(std)(x)
    same(found[0, 1], expected, atol=1e-4, rtol=0)
    assert not found[0, 0].any()
    same(GaussianBlur(std)(torch.full((1, 1, 5, 5), 0.3)), torch.full((1, 1, 5, 5), 0.3))


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_bicubic_keeps_the_shape_a_constant_and_the_inside_of_a_ramp(factor):
    x = torch.full((1, 1, 17, 19), 0.3)
    same(Bicubic(factor)(x), x)
    ramp = torch.arange(24.0).expand(1, 1, 24, 24)
    same(Bicubic(factor)(ramp)[..., 6:18], ramp[..., 6:18], atol=1e-4, rtol=0)


def test_a_line_for_each_pixel_is_that_of_least_squares():
    x, noise = images(200, 1, 3, 2), Gaussian(0.4, 1.0, False)
    torch.manual_seed(0)
    seen = torch.cat([noise(part) for part in x.split(50)])
    torch.manual_seed(0)
    fitted = Pixelwise(noise, (Batch(part, None) for part in x.split(50)))
    for i in range(3):
        for j in range(2):
            columns = np.stack([seen[:, 0, i, j], np.ones(200)], 1)
            (a, b), *_ = np.linalg.lstsq(columns, x[:, 0, i, j].numpy(), rcond=None)
            assert fitted.a[0, i, j] == pytest.approx(a, rel=1e-3)
            assert fitted.b[0, i, j] == pytest.approx(b, rel=1e-3)


def test_a_pixel_that_is_always_hidden_is_its_mean_and_one_that_is_seen_stays():
    x = images(50, 1, 4, 4)
    task = Quadrants(2, 0.25, 1.0)
    restored = Pixelwise(task, [Batch(x, None)])(task(x))
    same(restored[..., :2], x[..., :2], atol=1e-5, rtol=1e-4)
    same(restored[..., 2:], x.mean(0)[..., 2:].expand(50, 1, 4, 2))


def test_what_is_no_filter_is_refused():
    for call in (lambda: Median(0), lambda: GaussianBlur(0.0), lambda: Bicubic(0)):
        with pytest.raises(UserError, match="choose"):
            call()
    with pytest.raises(UserError, match=r"restoration.examples=0"):
        Restoration(Gaussian(0.1, 1.0, True), {}, 0, 0)
