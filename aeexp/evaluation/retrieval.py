"""Retrieval by the code: precision at k, mean average precision, hash buckets. Relevant are examples of one class.

Queries are test examples; the database is the labelled training examples.

    precision_<k>          the fraction of relevant ones among the k nearest by the Euclidean distance of the mean codes
    map, map_error         mean of the queries' average precisions of the whole ranking, and the mean's standard error
    bits_...               the same of the code's bits, by the Hamming distance
    buckets                how many different bits the training examples have
    bucket_answered        the fraction of queries in whose bucket there is a training example; of these queries:
    bucket_precision_<k>   of the k nearest in the bucket by the code itself, or of all where they are fewer
    saturation             the fraction of the test codes' values within 0.1 of 0 or 1, where a code lies in [0, 1]

of `queries` test examples, drawn from `seed`; ties as in aeexp.metrics.ranking. The bits of a code in [0, 1] are its
values, rounded, as in Salakhutdinov and Hinton (2009), Semantic hashing; of any other, whether a value is above its
unit's median over the training examples. The squared distance of bits is the Hamming distance, so a binary code is no
special case. Memory: 16 MB of distances at a time, about four times that in all. A tenth of the time is the matrix
product, the rest is the sorting: that is why not all test examples are queries.
"""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from aeexp.codes.binary import SATURATED
from aeexp.context.base import EvaluationContext, Result, refuse_without_labels
from aeexp.errors import NotApplicable, UserError
from aeexp.metrics.buckets import binary, numbered, shared
from aeexp.metrics.neighbours import Neighbours
from aeexp.metrics.ranking import Distances, average_precision, precision, ranked
from aeexp.plots.grid import Row, frame, grid

AT_ONCE = 2**22  # distances
SHOWN = 10  # queries


class Retrieval:
    def __init__(self, queries: int, at: list[int], in_bucket: int, shown: int, seed: int) -> None:
        if min([queries, *at, in_bucket, shown]) < 1:
            raise UserError(
                f"retrieval.queries={queries} look at the first {at} of all, at {in_bucket} of their bucket and show "
                f"{shown}: choose at least 1 of each"
            )
        self.queries, self.at, self.in_bucket, self.shown, self.seed = queries, at, in_bucket, shown, seed

    def __call__(self, context: EvaluationContext) -> Result:
        train, test = context.data.train, context.data.test
        refuse_without_labels(train, test)
        metrics = self.score(context.codes(train), train.y, context.codes(test), test.y)
        return Result(metrics, {"retrieved": self._picture(context)})

    def score(self, z: Tensor, y: Tensor, test_z: Tensor, test_y: Tensor) -> dict[str, float]:
        """Codes (N, D) and labels (N,). NotApplicable where no class of the queries is among the training examples."""
        known, queries = y >= 0, torch.isin(test_y, y[y >= 0]).nonzero().squeeze(1)
        if not len(queries):
            raise NotApplicable("no class of the test examples is among the training examples: choose class_filter=all")
        generator = torch.Generator().manual_seed(self.seed)
        queries = queries[torch.randperm(len(queries), generator=generator)[: self.queries]]
        z, y, test_z, test_y = z[known].float(), y[known], test_z[queries].float(), test_y[queries]
        bits, test_bits = (binary(codes, z) for codes in (z, test_z))
        by_code = self._rank_metrics(z, y, test_z, test_y)
        same = torch.equal(bits, z) and torch.equal(test_bits, test_z)
        by_bits = by_code if same else self._rank_metrics(bits, y, test_bits, test_y)
        metrics = {**by_code, **{f"bits_{name}": value for name, value in by_bits.items()}}
        if z.min() >= 0 and z.max() <= 1:
            metrics["saturation"] = ((test_z - 0.5).abs() > 0.5 - SATURATED).double().mean().item()
        return metrics | self._bucket_metrics(numbered(bits, test_bits), z, y, test_z, test_y)

    def _rank_metrics(self, z: Tensor, y: Tensor, test_z: Tensor, test_y: Tensor) -> dict[str, float]:
        order = y.argsort(stable=True)
        database, y, size = Distances(z[order]), y[order], max(1, AT_ONCE // len(z))
        values = []
        for c in test_y.unique():
            relevant = slice(int((y < c).sum()), int((y <= c).sum()))
            for queries in test_z[test_y == c].split(size):
                ranking = ranked(database(queries), relevant)
                precisions = [precision(ranking, k) for k in self.at]
                values.append(np.stack([*precisions, average_precision(ranking)]))
        each = np.concatenate(values, axis=1)
        means = dict(zip([*(f"precision_{k}" for k in self.at), "map"], each.mean(axis=1).tolist(), strict=True))
        return {**means, "map_error": float(each[-1].std() / max(1, len(test_z) - 1) ** 0.5)}

    def _bucket_metrics(
        self, places: list[Tensor], z: Tensor, y: Tensor, test_z: Tensor, test_y: Tensor
    ) -> dict[str, float]:
        train, test = places
        values = []
        for members, queries in shared(train, test):
            database = Distances(z[members])
            for some in queries.split(max(1, AT_ONCE // len(members))):
                relevant = y[members] == test_y[some][:, None]
                values.append(precision(ranked(database(test_z[some]), relevant), self.in_bucket))
        found = np.concatenate([*values, np.empty(0)])
        metrics = {"buckets": float(len(train.unique())), "bucket_answered": len(found) / len(test_z)}
        return metrics | ({f"bucket_precision_{self.in_bucket}": float(found.mean())} if len(found) else {})

    def _picture(self, context: EvaluationContext) -> Figure:
        """The first test example of each class, and what of the training examples is nearest; wrong ones are framed."""
        train, test = context.data.train, context.data.test
        queries = torch.stack([(test.y == c).nonzero()[0, 0] for c in test.y[test.y >= 0].unique()[:SHOWN]])
        known = (train.y >= 0).nonzero().squeeze(1)
        nearest = Neighbours(context.codes(train)[known]).nearest(context.codes(test)[queries], self.shown)
        found = known[nearest]  # (queries, shown)
        rows = [
            Row(context.class_name(int(test.y[query])), torch.cat([test[query[None]].x, train[places].x]))
            for query, places in zip(queries, found, strict=True)
        ]
        figure = grid([rows], context.data.scale, ["class", "query", *(str(i + 1) for i in range(found.shape[1]))])
        wrong = train.y[found] != test.y[queries][:, None]
        for i, j in wrong.nonzero().tolist():
            frame(figure.axes[0], i * len(rows[0].examples) + j + 1)
        return figure
