"""Every option of every group, composed as a user composes it, and what it builds."""

from copy import deepcopy
from functools import cache

import pytest
import torch

from aeexp.app import packages
from aeexp.app.components import make_data, make_model, make_task
from aeexp.app.sweep import points, quoted
from aeexp.errors import UserError


def options(group):
    return sorted(packages.options(group))


GROUPS = sorted(packages.groups() - {"bottleneck"})
MODELS, CODES, NETWORKS = options("model"), options("code"), options("network")
PROTOCOLS = sorted(set(options("evaluation")) - {"all"})
PARTS = [
    f"{group}={option}"
    for group in ("network", "code", "likelihood", "corruption", "initialization", "optimizer")
    for option in options(group)
    if option != "columns"  # of tables alone: tests/data/test_records_of_tables.py
] + [f"bottleneck={size}" for size in (1, 2, 24)]


@cache
def composed(*words):
    (point,) = points("train", [quoted(word) for word in words])
    return point.config


def configured(*words):
    return deepcopy(composed(*words))


def made(*words, **parts):
    """What `words` ask for, with `parts` of it exchanged, which takes less time than to compose it again."""
    config = {**configured(*words), **deepcopy(parts)}
    torch.manual_seed(0)
    data = make_data(config)
    data.setup()
    task = make_task(config, make_model(config, data.shape))
    task.model.initialize(data.train.batches(500))
    return task, data


def fit(model, batches):
    """One step of Adam for each batch."""
    optimizer = torch.optim.Adam(model.train().parameters(), 0.003)
    for batch in batches:
        optimizer.zero_grad()
        model.loss(batch).total.backward()
        optimizer.step()


def refusal(function, *arguments):
    """The sentence with which it is refused."""
    with pytest.raises(UserError) as refused:
        function(*arguments)
    assert "\n" not in str(refused.value) and ". " not in str(refused.value)
    return str(refused.value)


def assert_one_sentence(refusal):
    text = str(refusal)
    assert "choose" in text and "\n" not in text and ". " not in text


def loss_or_refusal(batch, *words, **parts):
    """The objective of a combination, or None where it is refused by a sentence that says what to choose."""
    try:
        return made(*words, **parts)[0].model.loss(batch)
    except UserError as refusal:
        assert_one_sentence(refusal)
        return None
