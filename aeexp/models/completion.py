"""Completion of an image of which a part is seen. Sohn, Lee and Yan (2015), Learning structured output representation.

x~ is what is seen of x, y the hidden rest; both models minimise a bound on -log p(y | x~), y alone is scored.

    Completion       -log p(y | x~), each pixel by itself given x~: their baseline network
    CompletionVAE    E -log p(y | z) + beta KL(q(z | x) || p(z | x~)),  z ~ q(z | x)    (their eq. 4)
                     q(z | x) = N(mu, diag sigma^2),  p(z | x~) = N(m, diag s^2), of an encoder each

The second one's code is e of z = m + s e, so that its prior is N(0, I) whatever is seen, and so that the other rooms
need to know nothing of p(z | x~); a code without the image of which it completes a part has no decoding. y depends on
x~ through z alone, where theirs is p(y | x~, z). `reconstruct` reads what is seen, the second one at e = 0, the mean of
p(z | x~), and completes it.
"""

from typing import NoReturn, cast

import torch
from torch import Tensor

from aeexp.codes.base import Bottleneck, DiagonalNormal, refuse_other_than_gaussian
from aeexp.codes.gaussian import divergences_between, statistics
from aeexp.corruptions import Uncorrupted
from aeexp.errors import NotApplicable, UserError
from aeexp.models.base import Components, Factored
from aeexp.types import Batch, Code, Loss


class Completion(Factored):
    hidden: Tensor  # which numbers of an example are, (*shape) bool
    places: Tensor  # of these in an example that is flat, (n,) int64

    def __init__(self, components: Components) -> None:
        super().__init__(components)
        hidden = components.corruption.always_hidden(components.shape)
        if hidden is None or not hidden.any() or hidden.all():
            raise UserError(
                f"a completion hides the same part of every image, but the corruption is "
                f"{type(components.corruption).__name__}: choose corruption=quadrants, or model=denoising with this one"
            )
        self.seen, self.corruption = components.corruption, Uncorrupted()
        self.register_buffer("hidden", hidden, persistent=False)
        self.register_buffer("places", hidden.flatten().nonzero()[:, 0], persistent=False)

    def loss(self, batch: Batch) -> Loss:
        code, switches = self.encode_with_switches(batch.x)
        recon = self.nll(self.decoder(code.z, *switches), batch.x)
        return Loss({"recon": recon, **code.terms}, code.stats)

    def features(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        return super().features(self.seen(x), y)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return torch.where(self.hidden, super().reconstruct(x, y), x)

    def nll(self, theta: Tensor, x: Tensor) -> Tensor:
        """Of what is hidden, (B,)"""
        return self.likelihood.nll(*(each.flatten(1).index_select(1, self.places) for each in (theta, x)))

    def log_likelihood(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        return -self.nll(self.decoder(z), x) - self.likelihood.left_out(len(self.places))


class CompletionVAE(Completion):
    def __init__(self, components: Components) -> None:
        super().__init__(components)
        refuse_other_than_gaussian(self.code, "model=completion_vae has two distributions", "model=completion")
        self.whole = components.network.encoder(components.shape)
        self.recognition: Bottleneck = components.code(in_features=self.whole.out_features, dim=components.dim)
        self.whole.apply(self.initialization)
        self.recognition.apply(self.initialization)

    def loss(self, batch: Batch) -> Loss:
        q, p = self._distributions(batch.x)
        kl = divergences_between(q, p).flatten(1)
        recon = self.nll(self.decoder(q.sample(1)[0][0]), batch.x)
        return Loss({"recon": recon, "kl": cast(float, self.code.kl_weight) * kl.sum(1)}, statistics(q.mu, kl))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        e = self.posterior(x).mu
        return Code(e, e)

    def decode(self, z: Tensor, y: Tensor | None = None) -> NoReturn:
        raise NotApplicable(
            "model=completion_vae decodes a code only beside what is seen of an image: choose "
            "evaluation=[restoration,likelihood], or model=vae"
        )

    def posterior(self, x: Tensor, y: Tensor | None = None) -> DiagonalNormal:
        """q(e | x)"""
        q, p = self._distributions(x)
        return DiagonalNormal((q.mu - p.mu) * (-0.5 * p.log_var).exp(), q.log_var - p.log_var)

    def log_likelihood(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        p = self._seen(x)
        return super().log_likelihood(x, p.mu + (0.5 * p.log_var).exp() * z, y)

    def _distributions(self, x: Tensor) -> tuple[DiagonalNormal, DiagonalNormal]:
        """q(z | x) and p(z | x~)"""
        return cast(DiagonalNormal, self.recognition.posterior(self.whole(x))), self._seen(x)

    def _seen(self, x: Tensor) -> DiagonalNormal:
        """p(z | x~)"""
        return cast(DiagonalNormal, self.code.posterior(self.features(x, None)[0]))  # of code=gaussian
