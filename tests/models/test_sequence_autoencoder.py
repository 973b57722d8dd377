"""The categorical likelihood and the sequence autoencoder: against enumeration, loops and closed forms."""

from functools import partial
from itertools import product

import pytest
import torch
from conftest import same
from small_models import make
from torch.distributions import Categorical as Discrete

from aeexp.codes.gaussian import Gaussian
from aeexp.codes.identity import Identity
from aeexp.errors import UserError
from aeexp.likelihoods import Categorical
from aeexp.models.regularized import Regularized
from aeexp.models.sequence import SequenceAutoencoder
from aeexp.networks.lstm import GRU, LSTM
from aeexp.networks.mlp import MLP
from aeexp.networks.sequence_transformer import Transformer
from aeexp.symbols import until_end
from aeexp.types import Batch

pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")
T, V = 4, 3
IDENTITY = partial(Identity, activation="Identity")


def sequences(*units):
    """One-hot (N, T, V), nothing after the end."""
    return until_end(torch.eye(V)[torch.tensor(units)])


def every():
    """All that can be said in T steps of which the last one that counts may be the end."""
    return sequences(
        *{(*u[: u.index(0)], *[0] * (T - u.index(0))) if 0 in u else u for u in product(range(V), repeat=T)}
    )


def model(word_dropout=0.0, code=IDENTITY, network=None):
    return make(
        SequenceAutoencoder,
        code,
        network or GRU(5, 1, 4),
        shape=(T, V),
        likelihood=Categorical(),
        word_dropout=word_dropout,
    )


def test_nats_of_the_symbols_up_to_the_end_and_none_after_it():
    theta, x = torch.randn(2, T, V), sequences([1, 2, 0, 0], [2, 2, 1, 1])
    symbols = Discrete(logits=theta)
    log_p = symbols.log_prob(torch.tensor([[1, 2, 0, 0], [2, 2, 1, 1]]))
    same(Categorical().nll(theta, x), -torch.stack([log_p[0, :3].sum(), log_p[1].sum()]))


def test_probabilities_of_all_sequences_sum_to_one_and_their_mean_is_the_mean():
    theta, x = torch.randn(1, T, V), every()
    p = (-Categorical().nll(theta.expand(len(x), -1, -1), x)).exp()
    same(p.sum(), torch.tensor(1.0))
    same(Categorical().mean(theta)[0], (p[:, None, None] * x).sum(0))


def test_draws_have_the_mean_and_the_mode_is_the_likeliest_symbol_of_each_step():
    theta = torch.randn(1, T, V)
    drawn = Categorical().generate(Categorical().mean(theta).expand(40_000, -1, -1))
    assert set(drawn.unique().tolist()) <= {0.0, 1.0}
    assert torch.allclose(drawn.mean(0), Categorical().mean(theta)[0], atol=0.015)
    theta = torch.tensor([[[0.0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]])
    assert torch.equal(Categorical().mode(Categorical().mean(theta)), sequences([1, 2, 0, 1]))


def test_the_parameter_of_probabilities_has_them_as_its_first_mean():
    p = torch.tensor([[[0.2, 0.5, 0.3]]])
    same(Categorical().mean(Categorical().parameter(p)), p)


NETWORKS = [LSTM(8, 2, 4), GRU(8, 2, 4), Transformer(8, 2, 2, 4)]
over_networks = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)


@over_networks
def test_a_sequence_is_read_to_its_end_and_no_further(network):
    encoder, short = network.encoder((T, V)), sequences([2, 1, 0, 0])
    assert short[0, 3].sum() == 0
    assert encoder(torch.zeros(1, T, V)).isfinite().all()  # of nothing at all
    read = encoder[-1]
    if isinstance(network, Transformer):
        h = read.enter(short[:, :3]) + read.places[:3]
        for block in read.blocks:
            h = block(h)
        same(encoder(short), read.norm(h).mean(1))
        with torch.no_grad():
            same(encoder.eval()(short), read.norm(h).mean(1))  # torch has a kernel of its own for this
    else:
        same(encoder(short), read.lstm(short[:, :3])[0][:, -1])


@over_networks
@pytest.mark.parametrize("shape", [(T, V), (2, 4, 3)], ids=str)
def test_a_step_is_given_by_the_steps_before_it(network, shape):
    decoder = network.autoregressive(3, shape)
    z, x = torch.randn(2, 3), torch.rand(2, *shape, requires_grad=True)
    theta = decoder(z, x)
    assert theta.shape == x.shape
    step = -2  # rows of images, and instants, are the axis before the last
    for t in range(shape[step]):
        (read,) = torch.autograd.grad(theta.select(step, t).sum(), x, retain_graph=True)
        seen = [s for s in range(shape[step]) if read.select(step, s).abs().sum() > 0]
        assert seen == [*range(t)]


@over_networks
def test_run_on_its_own_it_is_what_it_is_when_it_is_shown_the_same_steps(network):
    decoder, z = network.autoregressive(3, (T, V)), torch.randn(5, 3)
    theta, x = decoder.run(z, Categorical().mode)
    same(theta, decoder(z, x))
    assert torch.equal(x, torch.eye(V)[theta.argmax(2)])


def test_probabilities_of_all_sequences_given_a_code_sum_to_one():
    net, x = model(code=partial(Gaussian, beta=1.0)), every()
    z = torch.randn(1, 3).expand(len(x), -1)
    same(net.log_likelihood(x, z).exp().sum(), torch.tensor(1.0))
    drawn = net.generate(z[:1].expand(20_000, -1))
    p = net.log_likelihood(x, z).exp()
    share = (drawn[:, None] == x[None]).flatten(2).all(2).double().mean(0)
    assert torch.allclose(share, p, atol=0.015)


def test_what_is_generated_of_steps_that_are_given_by_the_code_alone_has_their_mean():
    net, z = make(Regularized, IDENTITY, GRU(5, 1, 4), shape=(T, V), likelihood=Categorical()), torch.randn(1, 3)
    drawn = net.generate(z.expand(40_000, -1))
    assert set(drawn.unique().tolist()) == {0.0, 1.0} and (drawn.sum(2).diff(dim=1) <= 0).all()  # nothing after an end
    assert torch.allclose(drawn.mean(0), net.decode(z)[0], atol=0.015)


def test_the_objective_is_that_of_the_next_symbols_and_the_code():
    net, x = model(code=partial(Gaussian, beta=1.0)), sequences([1, 2, 0, 0], [2, 2, 1, 1])
    torch.manual_seed(3)
    loss = net.loss(Batch(x, torch.tensor([-1, -1])))
    torch.manual_seed(3)
    code = net.encode(x)
    same(loss.terms["recon"], -net.log_likelihood(x, code.z))
    same(loss.terms["kl"], code.terms["kl"])


def test_dropped_words_are_zeros_for_the_decoder_alone():
    net, x = model(word_dropout=0.5), sequences([1, 2, 1, 2]).expand(4000, -1, -1)
    shown = []
    forward = net.decoder.forward
    net.decoder.forward = lambda z, x: (shown.append(x), forward(z, x))[1]
    net.loss(Batch(x, torch.zeros(4000)))
    steps = shown[0].sum(2)
    assert set(steps.unique().tolist()) == {0.0, 1.0} and abs(steps.mean() - 0.5) < 0.03
    net.eval().loss(Batch(x, torch.zeros(4000)))
    assert torch.equal(shown[1], x)


def test_it_starts_at_how_often_each_symbol_is_there():
    net, x = model(), sequences([1, 2, 1, 2], [1, 1, 0, 0])
    net.initialize([Batch(x, torch.tensor([-1, -1]))])
    with torch.no_grad():
        net.decoder.out.weight.zero_()
    share = x.sum((0, 1)) / x.sum()
    same(net.decoder(torch.zeros(1, 3), x[:1]).softmax(2)[0, 0], share)


def test_what_is_no_sequence_is_refused():
    with pytest.raises(UserError, match=r"model.word_dropout=1.0 is a fraction"):
        model(word_dropout=1.0)
    with pytest.raises(UserError, match=r"network=mlp has no decoder that reads the steps before: choose network=gru"):
        model(network=MLP([], "ReLU"))
    with pytest.raises(UserError, match=r"reads steps \(T, F\), and not \(8,\): choose such data"):
        make(SequenceAutoencoder, IDENTITY, GRU(5, 1, 4), shape=(8,), likelihood=Categorical(), word_dropout=0.0)
