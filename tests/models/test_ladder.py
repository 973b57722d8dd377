"""The ladder network against its equations, written out for one unit of one layer after the other."""

import pytest
import torch
from composing import fit, made
from conftest import same
from small_models import SHAPE, batch, make
from torch.nn.functional import cross_entropy

from aeexp.codes.identity import Identity
from aeexp.context.base import EvaluationContext
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.classification import Classification
from aeexp.models.ladder import Ladder, parts
from aeexp.types import Batch

pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")


def model(std=0.3, costs=(4.0, 2.0, 0.5), classes=3, widths=(6,)):
    made = make(Ladder, Identity, dim=4, widths=list(widths), classes=classes, std=std, costs=list(costs))
    with torch.no_grad():
        for parameter in made.parameters():  # no constant is left at where it starts
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made


def normalised(a, groups):
    """Each column, by the mean and the variance of the rows of its group, as batch normalization does it."""
    return torch.cat([(a[of] - a[of].mean(0)) / (a[of].var(0, correction=0) + 1e-5).sqrt() for of in groups])


def written_out(net, x, y, noise, groups):
    """-log q(y | x~) and the cost of each layer, by the paper's algorithm 1."""
    clean, noisy, means, deviations = [x], [x], [0.0], [1.0]
    h, h_noisy = x, x
    for layer, eps in enumerate(noise):
        a, a_noisy = h @ net.up[layer].weight.T, h_noisy @ net.up[layer].weight.T
        means.append(torch.cat([a[of].mean(0).expand_as(a[of]) for of in groups]))
        spread = [(a[of].var(0, correction=0) + 1e-5).sqrt().expand_as(a[of]) for of in groups]
        deviations.append(torch.cat(spread))
        clean.append(normalised(a, groups))
        noisy.append(normalised(a_noisy, groups) + net.std * eps)
        h, h_noisy = ((z[-1] + net.shifts[layer]).clamp_min(0) for z in (clean, noisy))
    logits = net.gain * (noisy[-1] + net.shifts[-1])
    signal, costs = logits.softmax(1), []
    for layer in reversed(range(len(clean))):
        u = normalised(signal, groups)
        m, v = net.denoisers[layer].mu.a, net.denoisers[layer].v.a
        mu = m[0] * torch.sigmoid(m[1] * u + m[2]) + m[3] * u + m[4]
        gain = v[0] * torch.sigmoid(v[1] * u + v[2]) + v[3] * u + v[4]
        found = (noisy[layer] - mu) * gain + mu
        error = (clean[layer] - (found - means[layer]) / deviations[layer]) ** 2
        weight = (4.0, 2.0, 0.5, 0.5)[layer]  # the last cost holds for all above it
        costs.insert(0, weight * error.mean(1))
        if layer:
            signal = found @ net.down[layer - 1].weight.T
    return cross_entropy(logits, y, reduction="none"), costs


ALL = [slice(None)]


@pytest.mark.parametrize(
    ("labelled", "of", "groups"),
    [
        (1, slice(1, None), ALL),
        (2, slice(2, None), [slice(2), slice(2, None)]),
        (6, slice(6, None), [slice(6), slice(6, None)]),
        (7, slice(None), ALL),
        (8, slice(None), ALL),
    ],
)
def test_the_objective_is_the_papers(labelled, of, groups, monkeypatch):
    net, (x, _) = model(), batch(8)
    y = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    noise = [torch.randn(8, width) for width in (6, 4, 3)]
    given = iter([*(torch.zeros(8, width) for width in (6, 4, 3)), *noise])  # the clean path asks for noise of std 0
    monkeypatch.setattr(torch, "randn_like", lambda like: next(given))
    known = torch.arange(8) < labelled
    loss = net.loss(Batch(x, y.where(known, -1)))
    wrong, (first, *above) = written_out(net, x.flatten(1), y, noise, groups)
    same(loss.means["recon"], first[of].mean())
    same(loss.means["layers"], sum(above)[of].mean())
    for each in (loss.terms["recon"], loss.terms["layers"]):
        assert ((each > 0) == torch.isin(torch.arange(8), torch.arange(8)[of])).all()  # of no labelled one that recurs
    same(loss.terms["classifier"], torch.where(known, 8 / labelled * wrong, 0.0))
    assert torch.autograd.grad(loss.total, net.down[0].weight)[0].abs().sum() > 0


def test_it_starts_as_a_copy_of_its_noisy_layers():
    net, (x, _) = make(Ladder, Identity, dim=4, widths=[6], classes=3, std=0.3, costs=[1.0]), batch(8)
    same(net.reconstruct(x), x)
    assert net.loss(Batch(x, torch.full((8,), -1))).terms["recon"].max() < 1e-9


def test_noise_moves_no_running_moment():
    net, (x, y) = model(), batch(8)
    x = x.flatten(1)
    for _ in range(200):
        net.loss(Batch(x.view(8, *SHAPE), y))
    a = x @ net.up[0].weight.T
    same(net.moments[0].mean, a.mean(0), rtol=1e-4, atol=1e-6)
    net.eval()
    z = net._climb(x, torch.ones(8, 1)).z[1]
    same(z, (a - a.mean(0)) / (a.var(0, correction=0) + 1e-5).sqrt(), rtol=1e-3, atol=1e-6)


def test_the_code_is_the_last_hidden_layer_and_has_no_decoding_alone():
    net, (x, _) = model().eval(), batch(5)
    code = net.encode(x).mean
    assert code.shape == (5, 4) and (code >= 0).all()
    mean, deviation = net.moments[2](net.up[2](code), torch.ones(5, 1))
    logits = net.gain * ((net.up[2](code) - mean) / deviation + net.shifts[2])
    same(net.class_probabilities(x), logits.softmax(1))
    with pytest.raises(NotApplicable, match="reads every layer of the encoder: choose model=m2"):
        net.decode(code)


def test_labelled_examples_that_recur_move_no_moment_of_the_others():
    net, (x, _) = model(), batch(8)
    y = torch.where(torch.arange(8) < 4, 0, -1)
    far = x.clone()
    far[:4] = 5.0  # nothing that test examples are like
    for _ in range(200):
        net.loss(Batch(far, y))
    a = x[4:].flatten(1) @ net.up[0].weight.T
    same(net.moments[0].mean, a.mean(0), rtol=1e-4, atol=1e-6)
    counted, groups = parts(torch.tensor([-1, 0, 0, 0]))
    assert counted.tolist() == [True, False, False, False] and groups.int().tolist() == [[1, 0], [0, 1], [0, 1], [0, 1]]
    for y in ([-1, 0, 0, 0, 0], [1, 2]):
        counted, groups = parts(torch.tensor(y))
        assert counted.all() and groups[:, 0].all() and not groups[:, 1].any()


@pytest.mark.slow
def test_a_few_labels_are_enough_where_the_classes_are_far_apart():
    torch.set_default_dtype(torch.float32)
    task, data = made("model=ladder", "labels=60", "data.labelled=40", "bottleneck=32")
    batches = data.train_dataloader()

    def shown():
        for epoch in range(6):
            batches.sampler.set_epoch(epoch)
            yield from batches

    fit(task.model, shown())
    assert Classification()(EvaluationContext(task.model, data, None, "ladder")).metrics["accuracy"] > 0.75  # of ten


def test_what_makes_no_ladder_is_refused():
    with pytest.raises(UserError, match=r"data.classes=None: choose labelled data"):
        model(classes=None)
    for options in ({"std": -0.1}, {"costs": []}, {"costs": [1.0, -1.0]}):
        with pytest.raises(UserError, match=r"model.std=.* and model.costs=.* are at least 0"):
            model(**options)
