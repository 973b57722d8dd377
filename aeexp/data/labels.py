"""Which examples are labelled, where only some are."""

import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from aeexp.errors import UserError


def draw(y: Tensor, labels: int | float, stratified: bool, seed: int) -> Tensor:
    """Positions of the labelled examples, (n,) int64: `labels` of them (int) or that fraction of them (float).

    Drawn with `seed` from those with y >= 0; stratified keeps the classes' shares. UserError where it cannot be.
    """
    known = torch.nonzero(y >= 0).squeeze(1)
    if not len(known):
        raise UserError(f"labels={labels} asks for labels, but this data set has none: choose one that is labelled")
    n = labels if isinstance(labels, int) else round(labels * len(known))
    if not 1 <= n <= len(known):
        raise UserError(
            f"labels={labels} asks for {n} labelled examples of {len(known)}: "
            "give a count within that, or a fraction above 0.0 and up to 1.0"
        )
    if n == len(known):
        return known
    if not stratified:
        return known[torch.randperm(len(known), generator=torch.Generator().manual_seed(seed))[:n]]
    classes = y[known]
    try:
        chosen, _ = train_test_split(known.numpy(), train_size=n, stratify=classes.numpy(), random_state=seed)
    except ValueError:  # of scikit-learn, where the shares of the classes cannot be kept
        chosen = known[:0].numpy()
    if len(y[chosen].unique()) < len(classes.unique()):
        raise UserError(
            f"labels={labels} is {n} of {len(known)} examples, which cannot be drawn with each of "
            f"{len(classes.unique())} classes by its share: ask for another number, or choose data.stratified=false"
        )
    return torch.as_tensor(chosen)
