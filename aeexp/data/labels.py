"""Labels as numbers, and which examples are labelled, where only some are."""

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from aeexp.errors import UserError


def draw(y: Tensor, labels: int | float, stratified: bool, seed: int) -> Tensor:
    """Positions of the labelled examples, (n,) int64: `labels` of them (int) or that fraction of them (float).

    1.0 is all, also where there are none. Drawn with `seed` from those with y >= 0; stratified keeps the shares of the
    classes. UserError where it cannot be.
    """
    known = torch.nonzero(y >= 0).squeeze(1)
    if isinstance(labels, float) and labels == 1:
        return known
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


def refuse_too_few(labelled: Tensor, n: int | None) -> None:
    """UserError where fewer than n examples, at the positions `labelled`, are there to join each batch."""
    if n is not None and not 1 <= n <= len(labelled):
        raise UserError(
            f"data.labelled={n} labelled examples are to join each batch, but {len(labelled)} training examples have a "
            "label: choose a number from 1 to as many, or null"
        )


def numbered(y: np.ndarray | None, trained_on: np.ndarray | None, n: int, where: str) -> tuple[Tensor, list[str]]:
    """Labels (N,) as int64, -1 where there is none, and the names of the classes where they are words.

    Whole numbers from -1 stay as they are. Words are counted in the order of those of the training part, `trained_on`.
    UserError where they are not n such.
    """
    if y is None or trained_on is None or y.shape != (n,) or not (_whole(y) or y.dtype.kind in "UO"):
        said = "nothing" if y is None else f"{y.dtype} of shape {y.shape}"
        raise UserError(
            f"{where} should be {n} words or whole numbers from 0, one an example (-1: unlabelled), but it is {said}"
        )
    if _whole(y):
        return torch.as_tensor(np.nan_to_num(y, nan=-1).astype(np.int64)), []
    names = sorted({str(word) for word in trained_on if not _missing(word)})
    places = {name: place for place, name in enumerate(names)}
    unknown = sorted({str(word) for word in y if not _missing(word)} - {*names})
    if unknown:
        raise UserError(f"{where} has the labels {', '.join(unknown)}, which no training example has")
    return torch.tensor([-1 if _missing(word) else places[str(word)] for word in y]), names


def _whole(y: np.ndarray) -> bool:
    """Whether all are whole numbers from -1, or, as pandas has a cell without one, not a number."""
    if y.dtype.kind not in "iuf":
        return False
    if y.dtype.kind != "f":
        return bool((y >= -1).all())
    known = y[~np.isnan(y)]
    return len(known) < len(y) and bool(((known == np.round(known)) & (known >= -1)).all())


def _missing(word: object) -> bool:
    return word is None or word != word or word == ""
