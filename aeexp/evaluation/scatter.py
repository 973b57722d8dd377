"""Where the test codes lie, each in the colour of its class; the unlabelled in that of the model.

    PCA      the two principal components of the codes, with their shares of the variance; a code of two numbers as
             it is, one of a single number against the class
    t-SNE    van der Maaten and Hinton (2008), Visualizing data using t-SNE: near codes stay near, and neither the
             size of a group nor the space between groups means anything

of at most `examples` of the test part, drawn from `seed`.
"""

import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor

from aeexp.context.base import EvaluationContext, Result
from aeexp.errors import NotApplicable, UserError
from aeexp.plots.palette import colour
from aeexp.plots.style import charts, legend

TOLD_APART = 10  # classes that have colours of their own in a palette; more lie along a rainbow
NAMED = 40  # classes that have room in a legend


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
                f"{len(z)} test examples have {len(z.unique(dim=0))} different codes, which draw no picture: choose "
                "more test data, or a model whose codes tell examples apart"
            )
        plane, (across, up) = linear(z, y)
        figure, (left, right) = charts(["PCA" if z.shape[1] > 2 else "code", "t-SNE"], 2.2)
        left.set(xlabel=across, ylabel=up)
        right.set(xticks=[], yticks=[])
        for axes, places in ((left, plane), (right, self.neighbours(z))):
            draw(axes, places, y, context.model_name)
        if len(y.unique()) <= NAMED and (y >= 0).any():
            legend(figure, left)
        return Result({}, {"scatter": figure})

    def neighbours(self, z: Tensor) -> Tensor:
        """t-SNE: (N, D) -> (N, 2)"""
        perplexity = min(self.perplexity, (len(z) - 1) / 3)
        start = "pca" if min(z.shape) > 1 else "random"
        embedding = TSNE(perplexity=perplexity, init=start, random_state=self.seed)
        return torch.as_tensor(embedding.fit_transform(z.numpy()))


def linear(z: Tensor, y: Tensor) -> tuple[Tensor, list[str]]:
    """Codes (N, D) and labels (N,) -> places in a plane (N, 2), and what its axes are."""
    if z.shape[1] == 1:
        spread = torch.rand(len(z), generator=torch.Generator().manual_seed(0))  # points of one class lie apart
        return torch.stack([z[:, 0], y + 0.7 * (spread - 0.5)], dim=1), ["z", "class"]
    if z.shape[1] == 2:
        return z, ["z₁", "z₂"]
    pca = PCA(2).fit(z.numpy())
    shares = [f"component {n} ({share:.0%})" for n, share in enumerate(pca.explained_variance_ratio_, 1)]
    return torch.as_tensor(pca.transform(z.numpy())), shares


def draw(axes: Axes, places: Tensor, y: Tensor, model: str) -> None:
    """Points (N, 2), a collection of them for each class in y (N,), in the order of the classes."""
    classes = y.unique().tolist()
    own = colormaps["tab10" if max(classes) < TOLD_APART else "turbo"].resampled(max(TOLD_APART, max(classes) + 1))
    size = min(12.0, max(2.0, 2000 / len(y)))  # square points
    for label in classes:
        name, ink = (str(label), own(label)) if label >= 0 else ("unlabelled", colour(model))
        across, up = places[y == label].T
        axes.scatter(across, up, s=size, linewidths=0, alpha=0.7, color=ink, label=name)
