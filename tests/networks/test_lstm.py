"""The LSTM network against a loop over its cells, written out."""

import pytest
import torch
from torch import nn

from aeexp.errors import UserError
from aeexp.networks.lstm import LSTM

SHAPES = [(1, 8, 6), (3, 8, 6), (12, 5), (24,)]


def cells(lstm):
    """One cell a layer, with the weights of the stack."""
    for layer in range(lstm.num_layers):
        weights = [getattr(lstm, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        cell = nn.LSTMCell(weights[0].shape[1], lstm.hidden_size)
        cell.load_state_dict(dict(zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), weights, strict=True)))
        yield cell


def looped(lstm, inputs):
    """The last layer's state after each of the inputs, a list of (B, F)."""
    stack = list(cells(lstm))
    states = [None] * len(stack)
    outputs = []
    for x in inputs:
        for i, cell in enumerate(stack):
            states[i] = cell(x, states[i])
            x = states[i][0]
        outputs.append(x)
    return outputs


def steps_of(x):
    """A sequence's steps, by hand: rows of an image with its channels side by side, instants, or fours of numbers."""
    if x.dim() == 4:
        return [torch.cat([x[:, c, row] for c in range(x.shape[1])], 1) for row in range(x.shape[2])]
    return list(x.unbind(1)) if x.dim() == 3 else list(x.split(4, 1))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_features_are_the_state_after_the_last_step(shape, layers):
    torch.manual_seed(0)
    x = torch.rand(5, *shape)
    encoder = LSTM(7, layers, 4).encoder(shape)
    assert encoder.out_features == 7
    assert torch.allclose(encoder(x), looped(encoder[-1].lstm, steps_of(x))[-1], atol=1e-6)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_sequence_is_given_back_from_its_end(shape, layers):
    torch.manual_seed(0)
    z = torch.randn(5, 3)
    decoder = LSTM(7, layers, 4).decoder(3, shape)
    theta = decoder(z)
    assert theta.shape == (5, *shape)
    steps = steps_of(theta)
    states = looped(decoder[0].lstm, [z] * len(steps))
    for step, state in zip(reversed(steps), states, strict=True):
        assert torch.allclose(step, decoder[0].out(state), atol=1e-6)


def test_a_series_that_frames_do_not_divide_is_refused_with_a_way_out():
    with pytest.raises(UserError, match=r"frame=4.*141.*divides"):
        LSTM(7, 1, 4).encoder((141,))
    assert LSTM(7, 1, 3).encoder((141,))(torch.rand(2, 141)).shape == (2, 7)
