"""Sequences of symbols: likelihood beside an n-gram model's, reconstruction symbol by symbol, samples as texts.

    nats             -log p(x) of a test sequence, its end with it, by importance sampling as in `likelihood`: an upper
                     bound, whose expectation falls with the samples; where the model has q(z | x) and p(x | z)
    perplexity       exp of the nats of all test sequences over the number of their symbols
    nats_ngram, perplexity_ngram, order_ngram
                     the same of an n-gram model (aeexp.metrics.ngrams), exact, of the order that is best on validation
                     sequences
    symbols          of a test sequence, its end with it
    symbol_accuracy, sequence_accuracy
                     the fraction of the symbols that a reconstruction has at their places, and of the sequences that it
                     has from the first to the last symbol

and of texts drawn from p(x | z), z of a density fitted to the training codes, or as `<metric>_prior` of the model's own
prior, or as `<metric>_ngram` drawn from the n-gram model:

    valid            the fraction that is what such texts should be, such as molecules, where that is known
    unique           of these, or of all where it is not known, the fraction that are different
    novel            of the different ones, the fraction that no training sequence is
                     Polykarpovskiy et al. (2020), Molecular sets (MOSES)

The page shows test sequences with their reconstructions, samples, and texts of codes between two test sequences.
"""

from math import exp

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from aeexp.context.base import EvaluationContext, Result
from aeexp.context.latent_samplers import DensityEstimator, generated, latent_samplers
from aeexp.data.examples import BATCH, Examples
from aeexp.errors import NotApplicable, UserError
from aeexp.metrics.importance import log_mean_weight
from aeexp.metrics.ngrams import NGrams
from aeexp.plots.texts import page
from aeexp.symbols import Vocabulary, lengths, until_end
from aeexp.types import Batch

SHOWN = 6


class Sequences:
    """`samples` of the code of each of `examples` test sequences; `generated` texts; n-grams of up to `order`."""

    def __init__(
        self, density: DensityEstimator, samples: int, examples: int, generated: int, order: int, seed: int
    ) -> None:
        if min(samples, examples, generated, order) < 1:
            raise UserError(
                f"evaluation=[sequences] takes samples={samples} of each of examples={examples}, generated={generated} "
                f"texts, and n-grams of up to order={order}: choose at least 1 of each"
            )
        self.density, self.samples, self.examples = density, samples, examples
        self.generated, self.order, self.seed = generated, order, seed

    def __call__(self, context: EvaluationContext) -> Result:
        """NotApplicable of data that are no sequences of symbols."""
        words, data = context.data.vocabulary, context.data
        if words is None:
            raise NotApplicable("the data are no sequences of symbols: choose data=numerals or data=sequences")
        ngrams = NGrams(_units(data.train), len(words.symbols) + 1, self.order)
        on_validation, on_test = ngrams.nats(_units(data.val)), ngrams.nats(_units(data.test))
        best = on_validation.index(min(on_validation))
        symbols = (lengths(data.test.x) + 1).double().mean().item()
        metrics = {"nats_ngram": on_test[best], "order_ngram": best + 1.0, "symbols": symbols}
        metrics["perplexity_ngram"] = exp(on_test[best] / symbols)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(self.seed)
            metrics |= self._likelihood(context)
            metrics |= _accuracies(context, words)
            known = {*words.texts(data.train.x)}
            texts = self._texts(context, words, ngrams, best + 1)
        for suffix, drawn in texts.items():
            metrics |= {f"{name}{suffix}": value for name, value in quality(drawn, known, words).items()}
        return Result(metrics, {"sequences": page(_blocks(context, words, texts))})

    def _likelihood(self, context: EvaluationContext) -> dict[str, float]:
        """Nothing of a model without q(z | x) and p(x | z)."""
        test = context.data.test
        drawn = torch.randperm(len(test))[: self.examples]
        try:
            log_p = torch.cat([self._log_p(context, test[some]) for some in drawn.split(BATCH)])
        except NotApplicable:
            return {}
        nats, symbols = -log_p.mean().item(), (lengths(test.x[drawn]) + 1).double().mean().item()
        return {"nats": nats, "perplexity": exp(nats / symbols)}

    def _log_p(self, context: EvaluationContext, batch: Batch) -> Tensor:
        """(B,)"""
        z, log_q = context.model.posterior(*batch).sample(self.samples)
        log_w = [
            context.model.log_likelihood(batch.x, some, batch.y) + context.model.prior.log_prob(some) - of_q
            for some, of_q in zip(z, log_q, strict=True)
        ]
        return log_mean_weight(torch.stack(log_w, 1).double())

    def _texts(self, context: EvaluationContext, words: Vocabulary, ngrams: NGrams, order: int) -> dict[str, list[str]]:
        """Drawn ones, by the suffix of their metrics."""
        train, length = context.data.train, context.data.shape[0]
        y = train.y[torch.randint(len(train), (self.generated,))]
        drawn = ngrams.draw(self.generated, length, order, torch.Generator().manual_seed(self.seed))
        found = {"_ngram": words.texts(until_end(one_hot(drawn, ngrams.size)))}
        try:
            for suffix, sampler in latent_samplers(context, self.density).items():
                found[suffix] = [text for x in generated(context, sampler.prior, y) for text in words.texts(x)]
        except NotApplicable:
            pass  # neither codes nor a prior, or no decoding of a code alone
        return found


def quality(texts: list[str], known: set[str], words: Vocabulary) -> dict[str, float]:
    """valid, unique and novel of drawn texts, 0 where there is none left; without valid where nobody knows."""
    judged = [words.language.valid(text) for text in texts]
    left = [text for text, is_valid in zip(texts, judged, strict=True) if is_valid is not False]
    different = {*left}
    valid = {} if None in judged else {"valid": len(left) / len(texts)}
    unique, novel = len(different) / max(1, len(left)), len(different - known) / max(1, len(different))
    return {**valid, "unique": unique, "novel": novel}


def _accuracies(context: EvaluationContext, words: Vocabulary) -> dict[str, float]:
    def right(batch: Batch) -> Tensor:
        restored = context.model.reconstruct(*batch)
        units = until_end(one_hot(restored.argmax(2), restored.shape[2]))
        return (units * batch.x).flatten(1).sum(1)  # symbols at their places

    found, all_of_it = context.map(right, context.data.test), lengths(context.data.test.x) + 1
    return {
        "symbol_accuracy": (found.sum() / all_of_it.sum()).item(),
        "sequence_accuracy": (found == all_of_it).double().mean().item(),
    }


def _blocks(context: EvaluationContext, words: Vocabulary, texts: dict[str, list[str]]) -> list[list[tuple[str, str]]]:
    x, y = context.data.test[torch.arange(min(SHOWN, len(context.data.test)))]
    with torch.no_grad():
        restored = words.texts(context.model.reconstruct(x, y))
    blocks = [[("test", text), ("reconstruction", again)] for text, again in zip(words.texts(x), restored, strict=True)]
    names = {"": "from the density", "_prior": "from the prior", "_ngram": "n-gram model"}
    blocks += [[(names[suffix], text) for text in drawn[:SHOWN]] for suffix, drawn in texts.items()]
    try:
        first, last = context.codes(context.data.test)[:2]
        between = torch.stack([first.lerp(last, share) for share in torch.linspace(0, 1, SHOWN)])
        blocks.append([("between two", text) for text in words.texts(context.decode(between))])
    except NotApplicable:
        pass  # no codes, or none that is decoded alone
    return blocks


def _units(part: Examples) -> Tensor:
    """(N, T) int64, -1 after the end"""
    return part.x.argmax(2).where(part.x.bool().any(2), -1)
