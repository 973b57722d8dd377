"""The trunks: sizes that are true, decoders that mirror them, and refusals that say what would fit."""

import pytest
import torch
from torch import nn

from aeexp.activations import activation
from aeexp.errors import UserError
from aeexp.networks.conv import Conv
from aeexp.networks.mlp import MLP

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 8, 8), (1, 20, 16)]
NETWORKS = [
    MLP([], "ReLU"),
    MLP([13], "Tanh"),
    MLP([24, 11], "Sigmoid"),
    Conv([4, 6], [5, 3], "ReLU"),
    Conv([4, 6], [], "Tanh"),
    Conv([], [5, 3], "GELU"),
]

over_shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
over_networks = pytest.mark.parametrize(
    "network", NETWORKS, ids=lambda n: f"{type(n).__name__}{list(vars(n).values())}"
)


def said(refusal):
    """The refusal's text, if it is one sentence."""
    text = str(refusal.value)
    assert text and "\n" not in text and ". " not in text
    return text


def weights(module, model):
    return [tuple(layer.weight.shape) for layer in module.modules() if isinstance(layer, model)]


@over_shapes
@over_networks
def test_encoder_gives_as_many_features_as_it_says(network, shape):
    encoder = network.encoder(shape)
    assert encoder(torch.rand(5, *shape)).shape == (5, encoder.out_features)


@over_shapes
@over_networks
def test_decoder_gives_the_shape_back(network, shape):
    assert network.decoder(7, shape)(torch.randn(5, 7)).shape == (5, *shape)


@over_networks
def test_an_example_is_coded_and_decoded_alike_in_any_batch(network):
    x, shape = torch.rand(4, 1, 8, 8), (1, 8, 8)
    encoder = network.encoder(shape)
    decoder = network.decoder(encoder.out_features, shape)
    alone = torch.cat([decoder(encoder(one)) for one in x.split(1)])
    torch.testing.assert_close(decoder(encoder(x)), alone)


@over_networks
def test_decoder_is_linear_at_its_end(network):
    *_, last = (layer for layer in network.decoder(7, (1, 8, 8)).modules() if not list(layer.children()))
    assert isinstance(last, nn.Linear | nn.Conv2d | nn.Unflatten)


@over_shapes
def test_mlp_decoder_has_the_widths_in_reverse(shape):
    size, network = torch.Size(shape).numel(), MLP([24, 11], "ReLU")
    assert weights(network.encoder(shape), nn.Linear) == [(24, size), (11, 24)]
    assert weights(network.decoder(2, shape), nn.Linear) == [(11, 2), (24, 11), (size, 24)]


@over_shapes
def test_mlp_without_widths_has_no_hidden_layer(shape):
    network, x = MLP([], "ReLU"), torch.rand(3, *shape)
    assert torch.equal(network.encoder(shape)(x), x.flatten(1))
    assert len(weights(network.decoder(2, shape), nn.Linear)) == 1


@over_shapes
@pytest.mark.parametrize("pooled", [[], [4], [4, 6]], ids=str)
@pytest.mark.parametrize("flat", [[3], [5, 3]], ids=str)
def test_conv_halves_the_image_once_for_each_pooled_width(shape, pooled, flat):
    _, height, width = shape
    halved = (height >> len(pooled)) * (width >> len(pooled))
    assert Conv(pooled, flat, "ReLU").encoder(shape).out_features == flat[-1] * halved


def test_conv_decoder_mirrors_the_encoder():
    network, shape = Conv([4, 6], [5, 3], "ReLU"), (1, 8, 8)
    down = [(a, b) for b, a, *_ in weights(network.encoder(shape), nn.Conv2d)]
    up = [(a, b) for b, a, *_ in weights(network.decoder(2, shape), nn.Conv2d)]
    assert down == [(1, 4), (4, 6), (6, 5), (5, 3)]
    assert up == [(3, 3), (3, 5), (5, 6), (6, 4), (4, 1)]


@pytest.mark.parametrize(
    ("shape", "times", "possible"),
    [((1, 28, 28), 3, 2), ((3, 32, 32), 6, 5), ((1, 8, 8), 4, 3), ((1, 20, 16), 3, 2), ((1, 16, 15), 1, 0)],
    ids=str,
)
@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_conv_refuses_an_image_that_cannot_be_halved_so_often(shape, times, possible, side):
    network = Conv([4] * times, [], "ReLU")
    with pytest.raises(UserError) as refusal:
        network.encoder(shape) if side == "encoder" else network.decoder(7, shape)
    text = said(refusal)
    for number in (f"{times} times", f"{shape[1]}x{shape[2]}", f"{possible} times", f"at most {possible}"):
        assert number in text
    Conv([4] * possible, [3], "ReLU").encoder(shape)  # what the sentence promises


@pytest.mark.parametrize("shape", [(64,), (8, 8)], ids=str)
def test_conv_refuses_what_is_no_image(shape):
    with pytest.raises(UserError) as refusal:
        Conv([4], [], "ReLU").encoder(shape)
    assert str(shape) in said(refusal) and "network=mlp" in said(refusal)


def test_conv_refuses_to_have_no_layers():
    with pytest.raises(UserError) as refusal:
        Conv([], [], "ReLU").encoder((1, 8, 8))
    assert "network.pooled" in said(refusal)


@pytest.mark.parametrize("name", ["ReLU", "Sigmoid", "Tanh", "LeakyReLU", "GELU", "Identity"])
def test_activation_has_the_name_of_its_class(name):
    assert type(activation(name)) is getattr(nn, name)


@pytest.mark.parametrize("name", ["Relu", "functional", "Parameter", ""])
def test_unknown_activation_is_refused_by_name(name):
    networks = MLP([4], name), Conv([4], [], name)
    for build in (lambda: activation(name), *(lambda n=n: n.encoder((1, 8, 8)) for n in networks)):
        with pytest.raises(UserError) as refusal:
            build()
        assert repr(name) in said(refusal)


@pytest.mark.parametrize("name", ["Relu", "Linear", "Module", "MultiheadAttention", "Tensor", ""])
def test_what_is_no_activation_is_refused(name):
    with pytest.raises(UserError, match="Identity"):
        activation(name)
