"""Models of several runs computed at once: the numbers of each are those of a run alone."""

import pytest
import torch
from composing import MODELS, PARTS, made
from torch import nn

from aeexp.app.components import trainable
from aeexp.training.draws import Given, drawn, recorded
from aeexp.training.trial import NotTogether, refuse_slower, refuse_unequal
from aeexp.training.vectorized import Vectorized
from aeexp.types import Batch

N = 2
# what torch has no rule for, or only a slow one, for several models at once, and what decides by the values
ALONE = {
    "model=lstm",
    "network=lstm",
    "model=sequence_autoencoder",
    "model=sequence_vae",
    "network=gru",
    "network=transformer",
    "model=topk",
    "model=conv_unpool",
    "network=conv_unpool",
    "network=vit",
    "network=vit_tokens",
}
ALONE |= {"model=masked", "model=vq_prior", "model=vqgan", "model=kl_autoencoder"}


def tasks_of(*words, **parts):
    tasks = [made(*words, f"seed={seed}", **parts)[0] for seed in range(N)]
    for seed, task in enumerate(tasks):
        torch.manual_seed(seed)
        for parameter in task.model.parameters():
            nn.init.normal_(parameter, std=0.1)
    return tasks


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.rand(N, 24, 1, 8, 8, generator=generator), torch.arange(N * 24).view(N, 24) % 10)


def vectorized(tasks):
    return Vectorized([task.model for task in tasks])


@pytest.mark.slow
@pytest.mark.parametrize("word", [f"model={m}" for m in MODELS] + [p for p in PARTS if "optimizer" not in p])
def test_each_model_and_part_computes_together_as_alone_or_says_why_not(word, batch):
    tasks = tasks_of(word)
    if not trainable(tasks[0].model):
        return
    if word in ALONE:
        reasons = r"torch cannot compute this model for several runs at once|generator would be another number"
        with pytest.raises(NotTogether, match=reasons):
            refuse_unequal(vectorized(tasks), tasks, batch)
    else:
        refuse_unequal(vectorized(tasks), tasks, batch)


def test_weights_of_terms_and_levels_of_noise_may_differ(batch):
    words = ["model=contractive", "corruption=gaussian"]
    tasks = [made(*words, f"model.weight={w}", f"corruption.std={w}")[0] for w in (0.1, 2.5)]
    models = vectorized(tasks)
    assert {name for _, name in models.numbers} == {"weight", "std"}
    refuse_unequal(models, tasks, batch)
    assert [task.model.weight for task in tasks] == [0.1, 2.5]


class Faulty(nn.Module):
    """A part that is put into a model, and breaks what runs that are trained together have in common."""

    def __init__(self, fault):
        super().__init__()
        self.fault, self.calls = fault, 0

    def forward(self, x):
        self.calls += 1
        return self.fault(x, self)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda x, _: nn.functional.dropout(x, 0.5), "random operation"),
        (lambda x, own: x * own.calls, "another number than that of a run alone"),
        (lambda x, _: x * (2 if x.sum() > 0 else 1), "data-dependent control flow"),
        (lambda x, _: x + x.detach().sum().item(), "item"),
    ],
    ids=["unknown noise", "a state of its own", "control flow", "a value read"],
)
def test_what_would_be_another_number_is_refused(fault, reason, batch):
    tasks = tasks_of("model=undercomplete")
    for task in tasks:
        task.model.encoder.append(Faulty(fault))
    with pytest.raises(NotTogether, match=reason):
        refuse_unequal(vectorized(tasks), tasks, batch)


def test_a_trial_leaves_no_trace(batch):
    tasks = tasks_of("model=vq_vae")
    before = [{name: value.clone() for name, value in task.model.state_dict().items()} for task in tasks]
    models = vectorized(tasks)
    noise = torch.get_rng_state()
    refuse_unequal(models, tasks, batch)
    for task, kept in zip(tasks, before, strict=True):
        assert all(torch.equal(value, kept[name]) for name, value in task.model.state_dict().items())
        assert all(parameter.grad is None for parameter in task.model.parameters())
    assert all(weights.grad is None for weights in models.weights)
    assert torch.equal(noise, torch.get_rng_state())


def test_the_models_own_weights_are_views_of_the_stacked_ones():
    tasks = tasks_of("model=undercomplete")
    models = vectorized(tasks)
    with torch.no_grad():
        models.weights[0][1].fill_(7.0)
    first, second = (next(task.model.parameters()) for task in tasks)
    assert (second == 7).all() and not (first == 7).any()


def test_what_is_slower_together_is_refused_with_both_times(batch, monkeypatch):
    tasks = tasks_of("model=undercomplete")
    models = vectorized(tasks)
    monkeypatch.setattr(
        "aeexp.training.trial._fastest", lambda step: {"alone": 0.010, "together": 0.015}[step.__name__]
    )
    with pytest.raises(NotTogether, match=r"all takes 15\.5 ms, and one after another 11\.0 ms"):
        refuse_slower(models, tasks, batch)


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: torch.randn_like(x),
        lambda x: torch.rand_like(x),
        lambda x: torch.randn(3, *x.shape),
        lambda x: torch.rand(len(x), 1),
        lambda x: torch.randint(2, 9, (len(x),)),
        lambda x: torch.randint_like(x, 5),
        lambda x: torch.randint_like(x, 2, 5),
    ],
    ids=["randn_like", "rand_like", "randn", "rand", "randint", "randint_like", "randint_like from 2"],
)
def test_noise_is_drawn_from_a_runs_own_generator_as_from_the_global_one(draw):
    x = torch.zeros(20, 7)
    draws = recorded(lambda: draw(x))
    (numbers,) = drawn(draws, [torch.Generator().manual_seed(seed) for seed in (3, 4)])
    for i, seed in enumerate((3, 4)):
        torch.manual_seed(seed)
        assert torch.equal(draw(x), numbers[i])
    with Given([numbers[1]]):
        assert torch.equal(draw(x), numbers[1])


def test_a_generator_of_the_models_own_is_left_to_it():
    own = torch.Generator().manual_seed(1)
    assert recorded(lambda: torch.randn(3, generator=own)) == []
    with Given([]):
        torch.rand(2, generator=own)
