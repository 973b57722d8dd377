"""An autoencoder whose code is a given function of x, and labelled data: a perfect, a constant and a random code."""

from types import SimpleNamespace

import torch
from oracles import UNIT
from torch import nn

from aeexp.context.base import EvaluationContext
from aeexp.context.latent_samplers import GaussianMixtureDensity
from aeexp.corruptions import Uncorrupted
from aeexp.data.examples import Examples
from aeexp.errors import NotApplicable
from aeexp.models.base import Autoencoder
from aeexp.priors import NoPrior, StandardNormal
from aeexp.types import Code, Loss

CLASSES = 4
CHANCE = (0.1, 0.45)  # between them lies the accuracy of a guess


class Oracle(Autoencoder):
    """An autoencoder whose code and reconstruction are given functions of x."""

    def __init__(self, code, image=lambda x: x):
        super().__init__()
        self.code, self.image = code, image
        self.prior, self.corruption = NoPrior(), Uncorrupted()

    def initialize(self, batches):
        pass

    def encode(self, x, y=None):
        return Code(self.code(x), self.code(x))

    def decode(self, z, y=None):
        raise NotApplicable("this oracle has no decoder: choose another")

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
    parts = {"train": split(400, 0), "val": split(50, 1), "test": split(300, 2)}
    data = SimpleNamespace(**parts, name="corners", shape=(1, 16, 16), classes=CLASSES, **UNIT)
    return EvaluationContext(model, data, None, "oracle")


def corner(x):
    return x[:, 0, 0, :CLASSES]


def constant(x):
    return x.new_ones(len(x), 3)


def noise(x):
    return x[:, 0, 8, :6]


def codes_of(z, y, test_z, test_y, val_z=None, val_y=None):
    """The evaluation context of a model whose codes of the parts are these; without them, no validation labels."""
    if val_z is None:
        val_z, val_y = test_z[:3], torch.full((3,), -1)
    parts = {
        name: SimpleNamespace(z=z, y=y)
        for name, z, y in (("train", z, y), ("val", val_z, val_y), ("test", test_z, test_y))
    }
    return SimpleNamespace(data=SimpleNamespace(**parts), codes=lambda part: part.z)


DENSITY = GaussianMixtureDensity(components=4, examples=1000, per_unit=5, iterations=50, floor=1e-4, seed=0)


class Generator(Oracle):
    """An autoencoder with the prior N(0, I), or another, whose decoder is the function image(z, y)."""

    def __init__(self, image, code=corner, prior=None, reads_labels=False):
        super().__init__(code)
        self.reads_labels = reads_labels
        self.generate, self.prior = image, prior or StandardNormal((CLASSES,))

    def decode(self, z, y=None):
        return self.generate(z, y)


def drawn_from(examples, z, y):
    return examples[torch.randint(len(examples), (len(z),))].x


def gray(z, y):
    return torch.full((len(z), 1, 16, 16), 0.5)


def brightness_by_label(z, y):
    """The class is the brightness, 1 at the last; -1, no class, is black."""
    return ((y + 1) / CLASSES).view(-1, 1, 1, 1).expand(-1, 1, 16, 16)


def corner_of_code(z, y):
    """What is in the code is in the corner: the inverse of `corner`."""
    x = torch.zeros(len(z), 1, 16, 16)
    x[:, 0, 0, :CLASSES] = z
    return x
