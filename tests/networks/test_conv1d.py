"""Convolutions over a series: sizes, what a unit sees, and the images and series that they read."""

import pytest
import torch
from conftest import same

from aeexp.errors import UserError
from aeexp.networks.conv1d import Conv1d


@pytest.mark.parametrize("shape", [(140,), (64, 2), (7, 3), (5,), (1, 8, 6), (3, 9, 7)], ids=str)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_any_length_is_encoded_and_given_back(shape, stride):
    network = Conv1d([6, 4], 5, stride, "ReLU")
    encoder, x = network.encoder(shape), torch.rand(3, *shape)
    assert encoder(x).shape == (3, encoder.out_features)
    assert network.decoder(7, shape)(torch.randn(3, 7)).shape == x.shape


def test_a_unit_is_the_sum_over_its_kernel():
    encoder = Conv1d([1], 3, 2, "Identity").encoder((5,))
    conv = encoder[3]
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[[1.0, 10, 100]]]))
        conv.bias.fill_(0.5)
    x = torch.tensor([[1.0, 2, 3, 4, 5]])
    same(encoder(x), torch.tensor([[10 + 200, 2 + 30 + 400, 4 + 50]]) + 0.5)


def test_rows_of_an_image_are_steps_and_its_channels_are_of_them():
    network = Conv1d([4], 3, 1, "ReLU")
    encoder, x = network.encoder((2, 6, 3)), torch.rand(1, 2, 6, 3, requires_grad=True)
    assert encoder[3].in_channels == 2 * 3
    features = encoder(x).unflatten(1, (4, 6))
    (seen,) = torch.autograd.grad(features[0, :, 0].sum(), x)
    assert [row for row in range(6) if seen[0, :, row].abs().sum() > 0] == [0, 1]


def test_what_sees_not_every_step_is_refused():
    for channels, kernel, stride in (([], 3, 1), ([4], 4, 2), ([4], 3, 5), ([4], 3, 0), ([0], 3, 1)):
        with pytest.raises(UserError, match=r"choose at least one width, and an odd kernel"):
            Conv1d(channels, kernel, stride, "ReLU")
