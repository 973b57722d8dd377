"""Scatter plots of the test codes, by class: principal components and t-SNE.

    PCA      the two principal components of the codes, with their shares of the variance; a code of two units as it is,
             one of a single unit against the class
    t-SNE    van der Maaten and Hinton (2008), Visualizing data using t-SNE: near codes stay near, and neither the
             size of a group nor the space between groups means anything

of at most `examples` of the test part, drawn from `seed`. No metrics.
"""

import torch

from aeexp.context.base import EvaluationContext, Result
from aeexp.errors import NotApplicable, UserError
from aeexp.metrics.projections import principal_plane, tsne
from aeexp.plots.scatter import Projection, scatter


class Scatter:
    def __init__(self, examples: int, perplexity: float, seed: int) -> None:
        if examples < 4 or perplexity <= 0:
            raise UserError(f"scatter draws examples={examples}, perplexity={perplexity}: choose at least 4, above 0")
        self.examples, self.perplexity, self.seed = examples, perplexity, seed

    def __call__(self, context: EvaluationContext) -> Result:
        """t-SNE takes seconds for 2,000 examples, and memory in proportion to them."""
        test = context.data.test
        codes = context.codes(test)
        drawn = torch.randperm(len(codes), generator=torch.Generator().manual_seed(self.seed))[: self.examples]
        z, y = codes[drawn].double(), test.y[drawn]
        if len(z.unique(dim=0)) < 4:
            raise NotApplicable(
                f"{len(z)} test examples have {len(z.unique(dim=0))} different codes, too few for a scatter plot: "
                "choose more test data, or a model whose codes differ"
            )
        plane, names = principal_plane(z, y)
        projections = [
            Projection("PCA" if z.shape[1] > 2 else "code", plane, names),
            Projection("t-SNE", tsne(z, self.perplexity, self.seed), []),
        ]
        return Result({}, {"scatter": scatter(projections, y, context.model_name, context.class_name)})
