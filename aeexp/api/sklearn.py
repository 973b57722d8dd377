"""Any model of autoencoder as a transformer of scikit-learn.

    from aeexp.api.sklearn import AutoencoderTransformer
    codes = AutoencoderTransformer(model="vae", bottleneck=10).fit_transform(X)

It composes the configuration that train.py composes, and learns with the same task and the same trainer, from arrays in
memory; no file is written. What a parameter leaves None, the configuration says.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from torch import Tensor

from aeexp.app.build import build
from aeexp.app.components import make_model, make_task, trainable
from aeexp.app.sweep import points
from aeexp.app.words import read, sweeps
from aeexp.data.examples import BATCH, Examples, Shuffled, loader
from aeexp.errors import UserError
from aeexp.models.base import Autoencoder
from aeexp.training.fit import fit
from aeexp.training.progress import quiet


class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """X (n, features) <-> mean codes (n, D), float32.

    The least and the largest number of the X that it was fitted to become 0 and 1, one line for all features, because
    the models and their corruptions mean numbers in [0, 1]; inverse_transform goes back. So features of several units
    want a scaler before this, as they do before PCA. Reconstructions are scored by the squared error and may be any
    numbers, unless `overrides` say otherwise.

    model       a model, of configs/model
    bottleneck  the width of the code
    max_epochs  how long to train
    shape       of one example, where a row is an image (C, H, W) for a network that needs one; None: (features,)
    overrides   what else a command line would say, such as ("network=conv", "optimizer.lr=0.01")
    seed        of the weights, the order of the examples, and the noise
    """

    def __init__(
        self,
        model: str = "undercomplete",
        bottleneck: int | None = None,
        max_epochs: int | None = None,
        shape: tuple[int, ...] | None = None,
        overrides: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        self.model = model
        self.bottleneck = bottleneck
        self.max_epochs = max_epochs
        self.shape = shape
        self.overrides = overrides
        self.seed = seed

    def fit(self, X: ArrayLike, y: Any = None) -> "AutoencoderTransformer":
        """Trains on X; y is not looked at. ValueError, in a sentence, where the parameters do not go together."""
        values = self._checked(X, reset=True)
        self.low_, high = float(values.min()), float(values.max())
        self.span_ = high - self.low_ or 1.0
        x = self._examples(values)
        with torch.random.fork_rng(devices=[]):
            try:
                self.model_ = trained(self._config(), x)
            except UserError as refusal:
                raise ValueError(str(refusal)) from refusal
        self._code_shape = self._batched(self._mean, x[:1]).shape[1:]
        self._n_features_out = self._code_shape.numel()
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        check_is_fitted(self)
        x = self._examples(self._checked(X, reset=False))
        return self._batched(self._mean, x).flatten(1).numpy()

    def inverse_transform(self, Z: ArrayLike) -> NDArray[np.float32]:
        """Codes (n, D) -> their mean examples (n, features). NotApplicable where a code alone has none."""
        check_is_fitted(self)
        z = torch.as_tensor(check_array(Z, dtype=np.float32, copy=True))
        if z.shape[1] != self._n_features_out:
            raise ValueError(f"codes are {self._n_features_out} wide, but got {z.shape[1]}")
        return self._back(self._batched(self.model_.decode, z.unflatten(1, self._code_shape)))

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Minus the squared error of a reconstruction, summed over features and averaged over X: more is better."""
        check_is_fitted(self)
        values = self._checked(X, reset=False)
        restored = self._back(self._batched(self.model_.reconstruct, self._examples(values)))
        return -float(np.square(values - restored, dtype=np.float64).sum(1).mean())

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]  # what the networks compute in
        return tags

    def _checked(self, X: ArrayLike, reset: bool) -> NDArray[np.floating]:
        """As scikit-learn checks it; `reset` notes how many features there are, and their names."""
        return np.asarray(validate_data(self, X, dtype=(np.float64, np.float32), reset=reset))

    def _config(self) -> dict[str, Any]:
        if isinstance(self.overrides, str):
            raise UserError(f"overrides={self.overrides!r} is one text: choose several, as ({self.overrides!r},)")
        said = {"bottleneck.dim": self.bottleneck, "trainer.max_epochs": self.max_epochs, "seed": self.seed}
        words = [f"{key}={value}" for key, value in said.items() if value is not None]
        chosen = {word.partition("=")[0] for word in self.overrides}
        likelihood = [] if "likelihood" in chosen else ["likelihood=squared_error"]
        return _composed("data=array", f"model={self.model}", *likelihood, *words, *self.overrides)

    def _examples(self, values: NDArray[np.floating]) -> Tensor:
        """(n, *shape), in [0, 1] where the values are of those that it was fitted to"""
        x = torch.as_tensor(((values - self.low_) / self.span_).astype(np.float32))
        try:
            return x if self.shape is None else x.unflatten(1, tuple(self.shape))
        except RuntimeError:
            raise ValueError(f"shape={self.shape} is not of {x.shape[1]} features: choose another, or None") from None

    def _back(self, x: Tensor) -> NDArray[np.float32]:
        return (x.flatten(1).double() * self.span_ + self.low_).float().numpy()

    def _mean(self, x: Tensor) -> Tensor:
        return self.model_.encode(x).mean

    def _batched(self, function: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):  # the samples of a code, which `mean` does not read
            return torch.cat([function(part) for part in values.split(BATCH)])


def trained(config: dict[str, Any], x: Tensor) -> Autoencoder:
    """The model of a configuration after its training on x (N, *shape), in eval mode and on the CPU."""
    quiet()
    torch.manual_seed(config["seed"])
    scaling = build(config["data"].get("scaling"), "data.scaling")
    task = make_task(config, make_model(config, tuple(x.shape[1:]), scaling))
    examples = Examples(x, torch.full((len(x),), -1), 1.0)
    task.model.initialize(examples.batches(BATCH))
    schedule = [*build(config["schedule"], "schedule").values()]
    for callback in schedule:
        if str(getattr(callback, "monitor", "")).startswith("val/"):
            raise UserError(
                f"{type(callback).__name__} watches {callback.monitor}, but every example is trained on: choose "
                "max_epochs, or schedule.early_stopping.monitor=train/recon"
            )
    if trainable(task.model):
        order = Shuffled(len(x), config["data"]["batch_size"], config["seed"], world=1, rank=0)
        batches = loader(examples, order)
        fit(
            partial(build, config["trainer"], "trainer"),
            task,
            None,
            {"train_dataloaders": batches, "val_dataloaders": batches},
            logger=False,
            callbacks=schedule,
            enable_checkpointing=False,
            enable_progress_bar=False,
            limit_val_batches=0,  # every example is trained on
        )
    return task.model.eval().requires_grad_(False)


@cache
def _composed(*words: str) -> dict[str, Any]:
    said = [read(word) for word in words]
    if sweeps(said):
        raise UserError(f"{' '.join(words)} is a sweep: choose one value of each, and search with GridSearchCV")
    (point,) = points("train", said)
    return point.config
