"""An autoencoder whose code is a given function of x, and labelled data: a perfect, a constant and a random code."""

from types import SimpleNamespace

import torch
from torch import nn

from aeexp.context.base import EvaluationContext
from aeexp.data.examples import Examples
from aeexp.types import Code, Loss

CLASSES = 4
CHANCE = (0.1, 0.45)  # between them lies the accuracy of a guess


class Oracle(nn.Module):
    """An autoencoder whose code and reconstruction are given functions of x."""

    def __init__(self, code, image=lambda x: x):
        super().__init__()
        self.code, self.image = code, image

    def encode(self, x, y=None):
        return Code(self.code(x), self.code(x))

    def reconstruct(self, x, y=None):
        return self.image(x)

    def loss(self, batch):
        return Loss({"recon": (batch.x - self.image(batch.x)).square().flatten(1).sum(1)})


def split(n, seed):
    """n examples whose class is written into the corner pixels; the rest is noise."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, CLASSES, (n,), generator=generator)
    x = torch.randint(0, 256, (n, 1, 16, 16), dtype=torch.uint8, generator=generator)
    x[:, 0, 0, :CLASSES] = 255 * nn.functional.one_hot(y, CLASSES).to(torch.uint8)
    return Examples(x, y, 1 / 255)


def context(model):
    data = SimpleNamespace(
        train=split(400, 0), val=split(50, 1), test=split(300, 2), shape=(1, 16, 16), classes=CLASSES, scale=1.0
    )
    return EvaluationContext(model, data, None, "oracle")


def corner(x):
    return x[:, 0, 0, :CLASSES]


def constant(x):
    return x.new_ones(len(x), 3)


def noise(x):
    return x[:, 0, 8, :6]
