"""Semi-supervised VAE, M2. Kingma, Rezende, Mohamed and Welling (2014), Semi-supervised learning with deep generative
models, eq. 6 to 9.

    L(x, y) = -log p(x | y, z) - log p(y) + KL(q(z | x, y) || p(z)),    z ~ q(z | x, y)
    J       = L(x, y) - alpha r log q(y | x)                of a labelled example
              sum_y q(y | x) L(x, y) - H(q(y | x))          of another

with p(y) uniform, p(z) = N(0, I), and r the examples of the batch for each labelled one, so that the classifier weighs
alpha times its mean over these (theirs is 0.1 N of a sum over N). It has an encoder of its own. Where few are labelled,
data.labelled puts some into each batch. Without a label, encode and reconstruct take the most probable one, and decode
is the mean over all.
"""

from math import log, prod

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from aeexp.codes.base import Posterior, refuse_other_than_gaussian
from aeexp.errors import UserError
from aeexp.models.base import Components
from aeexp.models.conditional_vae import Conditional
from aeexp.types import Batch, Code, Loss


class M2(Conditional):
    def __init__(self, components: Components, classes: int | None, alpha: float) -> None:
        if alpha < 0:
            raise UserError(f"model.alpha={alpha} is the weight of the classifier: choose at least 0, such as 0.1")
        super().__init__(components, classes)
        refuse_other_than_gaussian(self.code, "model=m2 has the divergence", "model=conditional_vae")
        features = components.network.encoder(components.shape)
        last = nn.Linear(prod(features.positions) * features.out_features, self.classes)
        self.classifier = nn.Sequential(features, nn.Flatten(), last)
        self.classifier.apply(self.initialization)
        self.alpha = alpha

    def loss(self, batch: Batch) -> Loss:
        x, known = self.corruption(batch.x), batch.y >= 0
        logits = self.classifier(x)
        q = logits.softmax(1)  # (B, classes)
        weights = torch.where(known[:, None], one_hot(batch.y.clamp_min(0), self.classes).to(q), q)
        y = torch.arange(self.classes, device=x.device).repeat(len(x))
        code, switches = self.encode_with_switches(self._times(x), y)
        theta = self.decoder(self.condition(code.z, y), *switches)
        recon = self.likelihood.nll(theta, self._times(batch.x)).view_as(q)
        kl = code.terms["kl"].view_as(q)
        entropy = torch.where(known, 0.0, -(q * logits.log_softmax(1)).sum(1))
        terms = {
            "recon": (weights * recon).sum(1),
            "kl": (weights * kl).sum(1),
            "label": log(self.classes) - entropy,
            "classifier": self.alpha * batch.label_nll(logits),
        }
        return Loss(terms)

    def class_probabilities(self, x: Tensor) -> Tensor:
        return self.classifier(x).softmax(1)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        return super().encode(x, self._labels(x, y))

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if y is not None:
            return super().decode(z, y)
        each = torch.arange(self.classes, device=z.device)[:, None].expand(-1, len(z))  # (classes, B)
        return torch.stack([super(M2, self).decode(z, label) for label in each]).mean(0)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return super().reconstruct(x, self._labels(x, y))

    def posterior(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        return super().posterior(x, self._labels(x, y))

    def log_likelihood(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        return super().log_likelihood(x, z, self._labels(x, y))

    def _labels(self, x: Tensor, y: Tensor | None) -> Tensor:
        """The labels (B,), the most probable where there is none."""
        found = self.classifier(x).argmax(1)
        return found if y is None else y.where(y >= 0, found)

    def _times(self, x: Tensor) -> Tensor:
        """Each example for each class, (B, ...) -> (B classes, ...)"""
        return x.repeat_interleave(self.classes, 0)
