"""What is measured of sequences of symbols: by models whose answers are known, and by whole runs."""

from math import log

import pytest
import torch
from composing import fit, made
from labelled_oracle import DENSITY, Oracle

from aeexp.context.base import EvaluationContext
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.regression import Regression
from aeexp.evaluation.sequences import Sequences, quality
from aeexp.plots.texts import WIDEST, page
from aeexp.symbols import Language, Vocabulary


@pytest.fixture(scope="module")
def numerals():
    task, data = made("data=numerals", "model=sequence_vae", "network.width=16")
    return task.model, data


def protocol(**options):
    return Sequences(
        **{"density": DENSITY, "samples": 2, "examples": 50, "generated": 40, "order": 4, "seed": 0, **options}
    )


def measured(model, data, protocol):
    return protocol(EvaluationContext(model, data, None, "vae")).metrics


def test_a_perfect_and_an_empty_reconstruction(numerals):
    _, data = numerals
    perfect = measured(Oracle(lambda x: x.flatten(1)[:, :2]), data, protocol())
    assert perfect["symbol_accuracy"] == 1 and perfect["sequence_accuracy"] == 1
    at_once = Oracle(lambda x: x.flatten(1)[:, :2], image=lambda x: torch.eye(x.shape[2])[0].expand_as(x))
    ended = measured(at_once, data, protocol())
    assert ended["symbol_accuracy"] == 0 and ended["sequence_accuracy"] == 0
    assert "nats" not in ended  # it has no p(x | z)


def test_the_likelihood_is_that_of_a_decoder_that_knows_nothing(numerals):
    model, data = numerals
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()  # each symbol alike, and q(z | x) = p(z)
    found = measured(model, data, protocol(examples=2000))
    symbols = found["symbols"]
    assert found["nats"] == pytest.approx(symbols * log(data.shape[1]), rel=1e-4)
    assert found["perplexity"] == pytest.approx(data.shape[1], rel=1e-3)
    assert found["perplexity_ngram"] < 3 and 9 < found["nats_ngram"] < 40  # ln 10,000 = 9.2 is the least
    assert found["valid_prior"] < 0.05 and found["valid_ngram"] > 0.3


def test_valid_unique_and_novel():
    class OfA(Language):
        def valid(self, text):
            return text.startswith("a")

    drawn = ["ab", "ab", "ac", "b", "ad"]
    assert quality(drawn, {"ab"}, Vocabulary((), "", OfA())) == {"valid": 0.8, "unique": 0.75, "novel": 2 / 3}
    assert quality(drawn, {"ab"}, Vocabulary((), "", Language())) == {"unique": 0.8, "novel": 0.75}
    assert quality(["b"], set(), Vocabulary((), "", OfA())) == {"valid": 0, "unique": 0, "novel": 0}


def test_a_code_that_is_the_number_predicts_it_and_noise_does_not(numerals):
    _, data = numerals
    words = data.vocabulary

    def number(x):
        return words.language.property(words.texts(x)).values[:, None].float()

    found = measured(Oracle(number), data, Regression(2000))
    assert found["r2"] > 0.9999 and found["mae"] < 20 < 500 < found["mae_symbols"] and 0.2 < found["r2_symbols"] < 0.9
    noise = measured(Oracle(lambda x: torch.randn(len(x), 2)), data, Regression(2000))
    assert noise["r2"] < 0.02
    assert "r2_features" not in found


def test_what_is_no_sequence_is_refused():
    task, data = made("model=vae")
    for one in (protocol(), Regression(100)):
        with pytest.raises(NotApplicable, match="choose data=numerals"):
            measured(task.model, data, one)
    with pytest.raises(UserError, match="choose at least 1 of each"):
        protocol(order=0)
    with pytest.raises(UserError, match="choose at least 5"):
        Regression(4)


def test_a_page_shows_each_text_up_to_its_width():
    figure = page([[("test", "abc"), ("reconstruction", "x" * 200)], [("prior", "$not math$")]])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["test", "abc", "reconstruction", "x" * (WIDEST - 1) + "…", "prior", "$not math$"]


@pytest.mark.slow
def test_a_short_training_brings_the_likelihood_to_that_of_short_n_grams():
    task, data = made("data=numerals", "model=sequence_vae", "network.width=64", "data.batch_size=32")
    sampler = data.train_dataloader()
    fit(task.model, sampler)
    found = measured(task.model, data, protocol(order=2, examples=500))
    assert found["nats"] < found["nats_ngram"]  # bigrams
