"""The trunks: sizes that are true, decoders that mirror them, and refusals that say what would fit."""

import pytest
import torch
from torch import nn

from aeexp.activations import activation
from aeexp.errors import UserError
from aeexp.networks.conv import Conv, ConvTransposed
from aeexp.networks.features import Map, Vector
from aeexp.networks.mlp import MLP
from aeexp.networks.resnet import Residual, ResNet
from aeexp.networks.vit import Tokens, ViT, Whole

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 8, 8), (1, 20, 16), (1, 7, 5)]
NETWORKS = [
    MLP([], "ReLU"),
    MLP([13], "Tanh"),
    MLP([24, 11], "Sigmoid"),
    Conv([4, 6], [5, 3], "ReLU", Vector()),
    Conv([4, 6], [], "Tanh", Vector()),
    Conv([], [5, 3], "GELU", Vector()),
    ResNet([4, 6], [4], "SiLU", Vector(), groups=2),
    ViT(1, 8, 1, 8, 1, 2),
]
MAPS = [
    *(way([4, 6], [3], "ReLU", Map()) for way in (Conv, ConvTransposed)),
    ResNet([4, 6], [4], "SiLU", Map(), groups=2),
    Tokens(1, 8, 1, 8, 1, 2),
]

over_shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
over_networks = pytest.mark.parametrize(
    "network", NETWORKS, ids=lambda n: f"{type(n).__name__}{[v for v in vars(n).values() if isinstance(v, list)]}"
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


@over_shapes
@pytest.mark.parametrize("network", MAPS, ids=lambda n: type(n).__name__)
def test_a_map_has_features_at_each_position_and_is_decoded_from_a_code_at_each(network, shape):
    encoder = network.encoder(shape)
    _, height, width = shape
    sides = (height * width,) if isinstance(network, Tokens) else (-(-height // 4), -(-width // 4))
    assert encoder.positions == sides
    assert encoder(torch.rand(3, *shape)).shape == (3, *sides, encoder.out_features)
    assert network.decoder(7, shape)(torch.randn(3, *sides, 7)).shape == (3, *shape)


def test_a_position_of_a_map_sees_its_surroundings_and_no_more():
    network, shape = Conv([4], [3], "Tanh", Map()), (1, 16, 16)
    encoder, x = network.encoder(shape), torch.rand(1, *shape)
    other = x.clone()
    other[0, 0, 8, 8] += 1
    changed = (encoder(x) != encoder(other)).any(-1)[0].nonzero()
    assert changed.min() >= 2 and changed.max() <= 5 and len(changed) > 1  # 7..9, pooled 3..4, convolved 2..5
    decoder, z = network.decoder(2, shape), torch.randn(1, 8, 8, 2)
    moved = z.clone()
    moved[0, 4, 4] += 1
    changed = (decoder(z) != decoder(moved))[0, 0].nonzero()
    assert changed.min() >= 3 and changed.max() <= 14 and len(changed) > 4  # 4, 3..5, 2..6, doubled 4..13, 3..14


@pytest.mark.parametrize("way", [Conv, ConvTransposed])
def test_vector_and_map_differ_at_the_code_alone(way):
    """The same convolutions, up to the weights between the last feature map and the code."""
    shape, h = (1, 9, 6), torch.rand(2, 1, 9, 6)
    one, other = (way([4, 6], [3], "ReLU", features()).encoder(shape) for features in (Vector, Map))
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(other(h).movedim(-1, 1).flatten(1), one(h))


def test_residual_blocks_that_change_nothing_leave_the_convolutions():
    network, x = ResNet([4], [6], "SiLU", Map(), groups=2), torch.rand(2, 1, 8, 8)
    encoder = network.encoder((1, 8, 8))
    for layer in encoder.modules():
        if isinstance(layer, Residual):
            nn.init.zeros_(layer.change[-1].weight)
            nn.init.zeros_(layer.change[-1].bias)
    plain = nn.Sequential(*(layer for layer in encoder if isinstance(layer, nn.Conv2d)))
    torch.testing.assert_close(encoder(x).movedim(-1, 1), plain(x))


def test_groups_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(UserError) as refusal:
        ResNet([4, 6], [], "SiLU", Map(), groups=4)
    assert "network.groups=4" in said(refusal) and "choose groups" in said(refusal)


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
    assert isinstance(last, nn.Linear | nn.Conv2d | nn.Unflatten | Whole)


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
    halved = -(-height // 2 ** len(pooled)) * -(-width // 2 ** len(pooled))
    assert Conv(pooled, flat, "ReLU", Vector()).encoder(shape).out_features == flat[-1] * halved


def test_conv_decoder_mirrors_the_encoder():
    network, shape = Conv([4, 6], [5, 3], "ReLU", Vector()), (1, 8, 8)
    down = [(a, b) for b, a, *_ in weights(network.encoder(shape), nn.Conv2d)]
    up = [(a, b) for b, a, *_ in weights(network.decoder(2, shape), nn.Conv2d)]
    assert down == [(1, 4), (4, 6), (6, 5), (5, 3)]
    assert up == [(3, 3), (3, 5), (5, 6), (6, 4), (4, 1)]


@pytest.mark.parametrize(
    ("shape", "times", "possible"),
    [((1, 28, 28), 6, 5), ((3, 32, 32), 6, 5), ((1, 8, 8), 4, 3), ((1, 17, 2), 6, 5), ((1, 1, 1), 1, 0)],
    ids=str,
)
@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_conv_refuses_to_halve_one_pixel(shape, times, possible, side):
    network = Conv([4] * times, [], "ReLU", Vector())
    with pytest.raises(UserError) as refusal:
        network.encoder(shape) if side == "encoder" else network.decoder(7, shape)
    text = said(refusal)
    for number in (f"{times} times", f"{shape[1]}x{shape[2]}", f"{possible} times", f"at most {possible}"):
        assert number in text
    Conv([4] * possible, [3], "ReLU", Vector()).encoder(shape)  # what the sentence promises


@pytest.mark.parametrize("shape", [(64,), (8, 8)], ids=str)
def test_conv_refuses_what_is_no_image(shape):
    with pytest.raises(UserError) as refusal:
        Conv([4], [], "ReLU", Vector()).encoder(shape)
    assert str(shape) in said(refusal) and "network=mlp" in said(refusal)


def test_conv_refuses_to_have_no_layers():
    with pytest.raises(UserError) as refusal:
        Conv([], [], "ReLU", Vector()).encoder((1, 8, 8))
    assert "network.pooled" in said(refusal)


@pytest.mark.parametrize("name", ["ReLU", "Sigmoid", "Tanh", "LeakyReLU", "GELU", "Identity"])
def test_activation_has_the_name_of_its_class(name):
    assert type(activation(name)) is getattr(nn, name)


@pytest.mark.parametrize("name", ["Relu", "functional", "Parameter", ""])
def test_unknown_activation_is_refused_by_name(name):
    networks = MLP([4], name), Conv([4], [], name, Vector())
    for build in (lambda: activation(name), *(lambda n=n: n.encoder((1, 8, 8)) for n in networks)):
        with pytest.raises(UserError) as refusal:
            build()
        assert repr(name) in said(refusal)


@pytest.mark.parametrize("name", ["Relu", "Linear", "Module", "MultiheadAttention", "Tensor", ""])
def test_what_is_no_activation_is_refused(name):
    with pytest.raises(UserError, match="Identity"):
        activation(name)
