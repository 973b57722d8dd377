"""The U-Net: what passes its skip connections, what it conditions on, and that it undoes what a code cannot."""

import pytest
import torch

from aeexp.errors import NotApplicable, UserError
from aeexp.networks.unet import UNet


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_every_level_reaches_the_output_by_its_own_connection():
    net, x = UNet((1, 16, 16), [4, 4, 4], condition=0), torch.rand(2, 1, 16, 16)
    assert net(x).shape == x.shape
    for level in (1, 0):
        torch.nn.init.zeros_(net.grow[level].weight)  # nothing from below
        noted = torch.func.jacrev(lambda bias, level=level: _with_bias(net, level, bias, x).sum())(torch.zeros(4))
        assert noted.abs().sum() > 0


def _with_bias(net, level, bias, x):
    """The output where a bias is added to what one level of the way down hands over."""
    hook = net.down[level].register_forward_hook(lambda module, inputs, h: h + bias[None, :, None, None])
    try:
        return net(x)
    finally:
        hook.remove()


def test_one_pixel_of_the_input_moves_pixels_far_from_it_only_through_the_lower_levels():
    net, x = UNet((1, 32, 32), [4, 4, 4, 4], condition=0), torch.zeros(1, 1, 32, 32)
    for module in net.modules():
        if isinstance(module, torch.nn.GroupNorm):  # which looks at the whole image
            module.forward = lambda h: h
    y = x.clone()
    y[0, 0, 0, 0] = 1
    moved = (net(x) - net(y)).abs()[0, 0]
    assert moved[0, 0] > 0
    assert moved[8:, 8:].max() > 0
    for grow in net.grow:
        torch.nn.init.zeros_(grow.weight)
    assert (net(x) - net(y)).abs()[0, 0, 8:, 8:].max() == 0


def test_a_condition_changes_what_is_made_of_the_same_image():
    net, x = UNet((1, 8, 8), [4, 4], condition=3), torch.rand(2, 1, 8, 8)
    a, b = net(x, torch.zeros(2, 3)), net(x, torch.ones(2, 3))
    assert not torch.allclose(a, b)
    mixed = net(x, torch.stack([torch.zeros(3), torch.ones(3)]))
    torch.testing.assert_close(mixed, torch.stack([a[0], b[1]]))


@pytest.mark.parametrize("shape", [(1, 30, 30), (3, 7, 5)], ids=str)
def test_a_side_that_does_not_halve_is_kept(shape):
    assert UNet(shape, [4, 4, 4], condition=0)(torch.rand(2, *shape)).shape == (2, *shape)


def test_more_levels_than_an_image_has_are_refused():
    with pytest.raises(UserError, match=r"4 times.*\(1, 8, 5\)"):
        UNet((1, 8, 5), [4] * 5, condition=0)
    UNet((1, 8, 5), [4] * 4, condition=0)


def test_there_is_no_code():
    from aeexp.app.components import make_model
    from aeexp.app.sweep import points

    (point,) = points("train", ["model=unet"])
    model = make_model(point.config, (1, 8, 8))
    for question in (model.encode, model.decode):
        with pytest.raises(NotApplicable, match="skip connections"):
            question(torch.rand(2, 1, 8, 8))
