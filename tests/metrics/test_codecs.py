"""Image codecs: sheets that are put together and taken apart, rates that fall with the error."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from aeexp.metrics.codecs import _images, _sheet, bits_at, by_codec, by_png

SHAPES = [(1, 8, 8), (3, 17, 5), (1, 28, 28), (3, 16, 16)]


def pictures(n, shape):
    """Smooth, of whole numbers of 0..255."""
    coarse = torch.rand(n, shape[0], 3, 3, generator=torch.Generator().manual_seed(0))
    fine = torch.nn.functional.interpolate(coarse, size=shape[1:], mode="bilinear")
    return (255 * fine).round() / 255


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("n", [1, 4, 7])
def test_a_sheet_has_every_image_and_gives_it_back(n, shape):
    images = pictures(n, shape)
    sheet = _sheet(images)
    assert sheet.shape[0] % 16 == sheet.shape[1] % 16 == 0
    assert torch.equal(_images(sheet, images).float() / 255, images)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_png_has_no_error_and_the_bits_of_its_file(shape):
    images = pictures(9, shape)
    ((bits, error),) = by_png(images)
    assert error == pytest.approx(0, abs=1e-9)
    stream, sheet = io.BytesIO(), _sheet(images)
    Image.fromarray(sheet.squeeze(2) if shape[0] == 1 else sheet).save(stream, "PNG", optimize=True)
    assert bits == 8 * len(stream.getvalue()) / 9


@pytest.mark.parametrize("codec", ["JPEG", "WEBP"])
@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
def test_more_bits_have_less_error(codec, shape):
    curve = by_codec(pictures(64, shape), codec)
    bits, errors = np.array(curve).T
    assert (np.diff(bits) >= 0).all() and bits[-1] > 2 * bits[0]
    assert errors[0] > 2 * errors[-1] > 0


def test_the_error_is_that_of_the_decoded_images():
    images = pictures(1, (1, 16, 16))
    stream = io.BytesIO()
    Image.fromarray((255 * images[0, 0]).round().byte().numpy()).save(stream, "JPEG", quality=10)
    decoded = np.asarray(Image.open(stream)) / 255
    expected = ((decoded - images[0, 0].double().numpy()) ** 2).sum()
    assert any(error == pytest.approx(expected, rel=1e-9) for _, error in by_codec(images, "JPEG"))


def test_bits_are_found_between_the_points_of_a_curve_and_not_beyond():
    curve = [(10.0, 4.0), (1000.0, 2.0), (2000.0, 1.0)]
    assert bits_at(3.0, curve) == pytest.approx(100)
    assert bits_at(4.0, curve) == pytest.approx(10) and bits_at(1.0, curve) == pytest.approx(2000)
    assert bits_at(4.1, curve) is None and bits_at(0.9, curve) is None
    assert bits_at(7.0, [(300.0, 0.0)]) == 300
