"""The prior over the codes of VQ-VAE, and the two stages in which it is learnt, by hand and by brute force."""

import copy
from functools import partial
from itertools import product
from math import log
from types import SimpleNamespace

import pytest
import torch
from composing import assert_one_sentence
from conftest import killed_once_it_has_a_checkpoint, same

from aeexp import corruptions, initializations, likelihoods
from aeexp.app.build import build
from aeexp.app.check import check
from aeexp.app.components import make_model, make_task
from aeexp.app.sweep import points
from aeexp.codes import codebooks, vq
from aeexp.codes.identity import Identity
from aeexp.errors import UserError
from aeexp.models.base import Components
from aeexp.models.vq_prior import VQPrior
from aeexp.networks.mlp import MLP
from aeexp.networks.transformer import Causal
from aeexp.runs.run import find
from aeexp.types import Batch

pytestmark = pytest.mark.usefixtures("repeatable_and_in_double_precision")
K, P, WIDTH = 3, 4, 2
CODES = {"gradient": codebooks.Gradient, "moving average": codebooks.MovingAverage}
over_codes = pytest.mark.parametrize("code", CODES.values(), ids=CODES)


def model(code=codebooks.Gradient, positions=P, sharpened=3, **options):
    parts = {"likelihood": likelihoods.Bernoulli(1), "initialization": initializations.Torch()}
    code = partial(vq.VQ, codebook=code, codes=K, width=WIDTH, depth=1, beta=0.25, decay=0.9, dead=0.01)
    parts |= {"corruption": corruptions.Uncorrupted(), "network": MLP([5], "ReLU"), "code": code} | options
    made = VQPrior(Components(shape=(6,), dim=positions * WIDTH, **parts), partial(Causal, width=8, depth=2, heads=2))
    with torch.no_grad():
        for weight in made.prior.parameters():
            weight.mul_(sharpened)  # an untrained prior is nearly uniform, so that little could be wrong about it
    return made


def every_sequence(positions):
    return torch.tensor(list(product(range(K), repeat=positions)))


def batch(n=12):
    return Batch(torch.rand(n, 6), torch.zeros(n, dtype=torch.int64))


def state(made, of):
    return {name: value.clone() for name, value in made.state_dict().items() if name.startswith("prior") == of}


def trained(made, stage, steps=3):
    """What moved: its weights and buffers beside those of before, of the autoencoder and of the prior."""
    before = [state(made, of) for of in (False, True)]
    optimizer = torch.optim.Adam(made.parameters(), 0.1)
    made.train().stage = stage
    for _ in range(steps):
        optimizer.zero_grad()
        made.loss(batch()).total.backward()
        optimizer.step()
    after = [state(made, of) for of in (False, True)]
    return [{name for name in a if not torch.equal(a[name], b[name])} for a, b in zip(before, after, strict=True)]


def refused(*words, by):
    with pytest.raises(UserError) as refusal:
        by()
    assert_one_sentence(refusal.value)
    assert [word for word in words if word not in str(refusal.value)] == []


def test_prior_per_position_is_the_mean_surprise_of_one_symbol():
    made, data = model().eval(), batch()
    k = made.code.symbols(made.code.project(made.encoder(data.x)))
    probabilities = torch.stack([made.prior.logits(k[:, :i])[:, -1].softmax(1) for i in range(P)], 1)  # (B, P, K)
    same(made.loss(data).stats["prior_per_position"].mean(), -probabilities.gather(2, k[..., None]).log().mean())


def test_probabilities_of_all_sequences_add_up_to_one():
    made = model()
    log_p = made.prior.log_prob(made.code.entries(every_sequence(P)))
    assert log_p.shape == (K**P,)
    same(log_p.exp().sum(), torch.tensor(1.0))
    assert log_p.std() > 0.5


def test_log_prob_is_the_chain_rule_one_prefix_at_a_time():
    made, k = model(), every_sequence(P)
    chain = [made.prior.logits(k[:, :i])[:, -1].log_softmax(1).gather(1, k[:, [i]])[:, 0] for i in range(P)]
    same(made.prior.log_prob(made.code.entries(k)), sum(chain))


def test_no_place_sees_itself_or_a_later_one_and_each_sees_all_before_it():
    logits = model().prior.logits
    k = torch.zeros(1, P - 1, dtype=torch.int64)
    before = logits(k)
    assert before.shape == (1, P, K)
    for place in range(P - 1):
        changed = k.clone()
        changed[0, place] = 1
        moved = (logits(changed) - before).abs().sum(2)[0] > 1e-6
        assert moved.tolist() == [other > place for other in range(P)]


def test_one_place_after_the_other_says_what_the_whole_sequence_says():
    logits, k = model().prior.logits, every_sequence(P)
    past = []
    each = [logits.following(None, past).expand(len(k), -1)]
    each += [logits.following(k[:, place], past) for place in range(P - 1)]
    same(torch.stack(each, 1), logits(k[:, :-1]))
    assert [keys.shape[2] for keys, _ in past] == [P] * 2  # of each block


def test_samples_are_as_frequent_as_the_prior_says():
    made, n = model(positions=2), 40_000
    k = made.code.symbols(made.prior.sample(n))
    found = torch.bincount(k[:, 0] * K + k[:, 1], minlength=K**2) / n
    p = made.prior.log_prob(made.code.entries(every_sequence(2))).exp()
    assert (found - p).abs().max() < 4 * (p * (1 - p) / n).sqrt().max()
    assert p.max() / p.min() > 3


def test_samples_are_entries_of_the_codebook_and_are_decoded():
    made = model().eval()
    z = made.prior.sample(7)
    assert z.shape == (7, P * WIDTH)
    assert all(any(torch.equal(part, e) for e in made.code.codebooks[0].entries) for part in z.view(-1, WIDTH))
    same(made.code.entries(made.code.symbols(z)), z)
    assert made.decode(z).shape == (7, 6)


def test_an_untold_prior_is_uniform():
    made = model(initialization=lambda module: None)
    for weight in made.prior.logits.head.parameters():
        weight.data.zero_()
    same(made.eval().loss(batch()).terms["prior"], torch.full((12,), P * log(K)))


@over_codes
def test_objective_is_one_sum_of_what_each_player_minimises(code):
    made, data = model(code).eval(), batch()
    terms = made.loss(data).terms
    assert set(terms) == {"recon", "vq", "prior"}
    k = made.encode(data.x).mean.view(12, P, WIDTH)
    k = (k[:, :, None] - made.code.codebooks[0].entries).norm(dim=3).argmin(2)
    logits = made.prior.logits(k[:, :-1]).log_softmax(2)
    same(terms["prior"], -logits.gather(2, k[..., None]).sum((1, 2)))
    named = dict(made.named_parameters())
    for wanted, minimised in ((False, terms["recon"] + terms["vq"]), (True, terms["prior"])):
        found = torch.autograd.grad(minimised.mean(), list(named.values()), retain_graph=True, allow_unused=True)
        assert {name for name, gradient in zip(named, found, strict=True) if gradient is not None} == {
            name for name in named if name.startswith("prior.") == wanted
        }


@over_codes
def test_each_stage_moves_its_player_alone(code):
    autoencoder, prior = trained(model(code), stage=1)
    assert {"encoder.1.weight", "code.codebooks.0.entries", "decoder.2.bias"} <= autoencoder
    assert prior == set()
    autoencoder, prior = trained(model(code), stage=2)
    assert autoencoder == set()
    assert {"prior.logits.start", "prior.logits.places", "prior.logits.head.1.bias"} <= prior
    autoencoder, prior = trained(model(code), stage=0)
    assert autoencoder
    assert prior


def test_every_stage_is_validated_by_the_whole_objective():
    made, data = model().eval(), batch()
    totals = set()
    for made.stage in (0, 1, 2):
        totals.add(made.loss(data).total.item())
    assert len(totals) == 1


def test_prior_learns_what_sequences_there_are():
    made = model(sharpened=1)
    k = torch.tensor([[0, 1, 2, 0], [2, 2, 1, 1]])
    z = made.code.entries(k).detach()
    optimizer = torch.optim.Adam(made.prior.parameters(), 0.01)
    for _ in range(150):
        optimizer.zero_grad()
        (-made.prior.log_prob(z).mean()).backward()
        optimizer.step()
    same(made.prior.log_prob(z), torch.full((2,), -log(2)), rtol=0, atol=0.03)
    drawn = made.code.symbols(made.prior.sample(300))
    assert (drawn[:, None] == k).all(2).any(1).float().mean() > 0.95


def test_a_copy_draws_from_its_own_codebook():
    made = model()
    copied = copy.deepcopy(made)
    with torch.no_grad():
        copied.code.codebooks[0].entries.fill_(7.0)
    assert (copied.prior.sample(3) == 7).all()
    assert (made.prior.sample(3) != 7).all()
    assert not [name for name in made.state_dict() if "prior" in name and "codebook" in name]


def test_other_codes_and_sizes_are_refused():
    refused("Identity", "code=vq", by=lambda: VQPrior(
        Components((6,), 4, MLP([], "ReLU"), partial(Identity, activation="Sigmoid"), likelihoods.Bernoulli(1),
              corruptions.Uncorrupted(), initializations.Torch()), Causal))  # fmt: skip
    refused("width=9", by=lambda: Causal(symbols=3, places=4, width=9, depth=1, heads=2))
    refused("depth=0", by=lambda: Causal(symbols=3, places=4, width=8, depth=0, heads=2))


def schedule(*words):
    (point,) = points("train", [*words])
    task = make_task(point.config, make_model(point.config, (1, 8, 8)))
    return build(point.config["schedule"], "schedule")["two_stages"], task


def test_the_epoch_alone_decides_the_stage():
    callback, task = schedule("model=vq_prior", "schedule.two_stages.fraction=0.4")
    callback.setup(SimpleNamespace(max_epochs=5), task, "fit")
    stages = []
    for epoch in (0, 1, 2, 3, 4, 1):
        callback.on_train_epoch_start(SimpleNamespace(current_epoch=epoch), task)
        stages.append(task.model.stage)
    assert stages == [1, 1, 2, 2, 2, 1]


@pytest.mark.parametrize("epochs", [1, 0, -1, None])
def test_a_schedule_without_room_for_both_stages_is_refused(epochs):
    callback, task = schedule("model=vq_prior")
    refused("two_stages", by=lambda: callback.setup(SimpleNamespace(max_epochs=epochs), task, "fit"))
    callback.setup(SimpleNamespace(max_epochs=2), task, "fit")


def test_a_schedule_of_another_model_or_without_a_stage_is_refused():
    callback, task = schedule("schedule=two_stages")
    refused("model=vq_prior", "Regularized", by=lambda: callback.setup(SimpleNamespace(max_epochs=4), task, "fit"))
    for fraction in (0.0, 1.0):
        (point,) = points("train", ["model=vq_prior", f"schedule.two_stages.fraction={fraction}"])
        refused("fraction", by=lambda config=point.config: check(config))


@pytest.mark.slow
def test_a_run_that_was_killed_ends_where_one_that_was_left_alone_does(program, tmp_path):
    words = ["model=vq_prior", "trainer.max_epochs=8", "evaluation=[samples]", "bottleneck=8"]
    assert program("train.py", *words, f"runs={tmp_path}/alone").returncode == 0
    killed_once_it_has_a_checkpoint(words, tmp_path / "killed")
    done = program("train.py", *words, f"runs={tmp_path}/killed")
    assert done.returncode == 0, done.stderr
    runs = [find(tmp_path / name)[0] for name in ("alone", "killed")]
    mine, theirs = (torch.load(run.checkpoints / "last.ckpt", weights_only=True) for run in runs)
    same(mine["state_dict"], theirs["state_dict"], rtol=0, atol=0)
    assert runs[0].metrics == runs[1].metrics
    assert "samples/nats_prior" in runs[0].metrics
