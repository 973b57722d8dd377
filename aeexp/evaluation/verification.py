"""Verification: are two examples of one class, such as two faces of one person? EER, ROC, and identification at rank 1.

    s(x, x') = cosine of the angle between the mean codes, less the mean code of the training examples

of all pairs of `examples` test examples, drawn from `seed`; genuine pairs are of one class, impostors of two.

    eer             where the fraction of impostors above the threshold is that of the genuine pairs below it
    auroc           probability that a genuine pair is more alike than an impostor
    tar_at_<far>    fraction of the genuine pairs that are accepted where <far> of the impostors are
    rank_1          fraction of the test examples whose most alike training example with a label is of their class; of
                    those whose class has one

as they stand over all classes, and followed by `_unseen` over the pairs of those that the class filter hides, which is
the question that counts where new people are enrolled. model=pca is the method of Turk and Pentland (1991), Eigenfaces
for recognition; model=pixels compares the images themselves.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from aeexp.context.base import EvaluationContext, Result, refuse_without_labels
from aeexp.errors import NotApplicable, UserError
from aeexp.metrics.detection import auroc, equal_error_rate, exceedance_rate, roc
from aeexp.metrics.neighbours import Neighbours
from aeexp.plots.detection import roc_curves


class Verification:
    def __init__(self, examples: int, far: float, seed: int) -> None:
        if examples < 2 or not 0 < far < 1:
            raise UserError(
                f"verification.examples={examples} are paired, and far={far} of the impostors are accepted: choose at "
                "least 2 examples, and a rate between 0 and 1"
            )
        self.examples, self.far, self.seed = examples, far, seed

    def __call__(self, context: EvaluationContext) -> Result:
        """NotApplicable without labels, and where no two test examples are of one class."""
        data = context.data
        refuse_without_labels(data.train, data.test)
        codes = context.codes(data.train).double()
        mean = codes.mean(0)
        train = normalize(codes - mean, dim=1)
        drawn = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(self.seed))
        drawn = drawn[data.test.y[drawn] >= 0][: self.examples]
        test, y = normalize(context.codes(data.test)[drawn].double() - mean, dim=1), data.test.y[drawn]
        unseen = ~data.class_filter.normal(y)
        groups = {"": torch.ones_like(unseen), **({"_unseen": unseen} if unseen.any() else {})}
        metrics, curves = dict[str, float](), {}
        for suffix, members in groups.items():
            impostor, genuine = _pairs(test[members], y[members])
            far, tar = roc(impostor, genuine)
            curves["all classes" if not suffix else "unseen classes"] = (far, tar)
            metrics |= {
                f"eer{suffix}": equal_error_rate(far, tar),
                f"auroc{suffix}": auroc(impostor, genuine),
                f"tar_at_{self.far:g}{suffix}": exceedance_rate(
                    genuine, np.sort(impostor)[-1 - int(self.far * len(impostor))]
                ),
            }
        metrics |= self._rank_1(train, data.train.y, test, y)
        return Result(metrics, {"verification": roc_curves({"cosine": curves}, {}, context.model_name)})

    def _rank_1(self, train: Tensor, train_y: Tensor, test: Tensor, y: Tensor) -> dict[str, float]:
        known = train_y >= 0
        asked = torch.isin(y, train_y[known])
        if not asked.any():
            return {}
        nearest = Neighbours(train[known].float()).nearest(test[asked].float(), 1)[
            :, 0
        ]  # of length 1, the nearest is the most alike
        return {"rank_1": (train_y[known][nearest] == y[asked]).double().mean().item()}


def _pairs(codes: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The similarities of impostors and of genuine pairs. NotApplicable where one of these has none."""
    first, second = torch.triu_indices(len(codes), len(codes), offset=1)
    alike, same = (codes @ codes.T)[first, second].numpy(), (y[first] == y[second]).numpy()
    if same.all() or not same.any():
        raise NotApplicable(
            "verification needs test examples of two classes, two of one of them: choose more, or data.test=0.5"
        )
    return alike[~same], alike[same]
