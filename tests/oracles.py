"""An autoencoder whose code and decoder are known, data for it, and readers of what was drawn of them."""

from types import SimpleNamespace

import torch
from torch import nn

from aeexp.context.base import EvaluationContext
from aeexp.corruptions import Uncorrupted
from aeexp.data.examples import Examples
from aeexp.models.base import Autoencoder
from aeexp.priors import NoPrior
from aeexp.types import Code, Loss

SHAPE, PIXELS = (1, 8, 8), 64


class Oracle(Autoencoder):
    """Its code is the first `wide` pixels of an image; the decoder puts `gain` times them there."""

    def __init__(self, wide=PIXELS, gain=None, prior=None):
        super().__init__()
        self.corruption = Uncorrupted()
        self.wide, self.gain, self.prior = wide, torch.ones(wide) if gain is None else gain, prior or NoPrior()

    def initialize(self, batches):
        pass

    def encode(self, x, y=None):
        z = x.flatten(1)[:, : self.wide]
        return Code(z, z)

    def decode(self, z, y=None):
        return nn.functional.pad(z * self.gain, (0, PIXELS - self.wide)).reshape(-1, *SHAPE)

    def reconstruct(self, x, y=None):
        return self.decode(self.encode(x).mean)

    def loss(self, batch):
        return Loss({"recon": (batch.x - self.reconstruct(batch.x)).square().flatten(1).sum(1)})


UNIT = {"scale": 1.0, "bounded": True, "limits": (0.0, 1.0), "class_names": None}  # of data in [0, 1]
UNIT |= {"columns": None, "vocabulary": None, "instants": None}


def split(n, seed, classes=3):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, *SHAPE, generator=generator)
    return Examples(x, torch.arange(n) % classes if classes else torch.full((n,), -1), 1.0)


def context(model, classes=3, n=30):
    parts = {"train": split(400, 0, classes), "val": split(5, 1, classes), "test": split(n, 2, classes)}
    return EvaluationContext(
        model,
        SimpleNamespace(**parts, shape=SHAPE, classes=classes, **UNIT, rate=None),
        None,
        "vae",
    )


def drawn(figure, columns):
    """The pixels of every cell, (rows, columns, H, W)"""
    cells = torch.stack([torch.as_tensor(image.get_array()) for image in figure.axes[0].images])
    return cells.unflatten(0, (-1, columns))


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def close(found, expected):
    torch.testing.assert_close(found, expected.to(found), atol=1e-6, rtol=1e-5)
