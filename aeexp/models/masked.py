"""Masked autoencoder. He, Chen, Xie, Li, Dollar and Girshick (2022), Masked autoencoders are scalable vision learners.

    J(x) = sum over the masked patches m of -log p(x_m | theta_m),    theta = decoder(z, mask tokens),
    z = code(encoder(the visible patches of x~)) + what the code costs

A fraction `ratio` of the N patches is masked, anew at every step, and never enters the encoder (their figure 1). The
decoder is narrower and shallower. The code is a token of `bottleneck.dim` numbers for each visible patch; `encode`
sees all patches, so its code is (B, N, D), as its decoding is; `reconstruct` sees the unmasked ones of one fixed mask,
and fills in the rest, which alone is its error.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from aeexp.errors import UserError
from aeexp.models.base import Autoencoder, Components, mean_example
from aeexp.networks.base import start_at
from aeexp.networks.vit import Patches, Positions, Whole
from aeexp.priors import NoPrior
from aeexp.types import Batch, Code, Loss


class Masked(Autoencoder):
    fixed: Tensor  # (N,), the order of patches that `reconstruct` masks the end of

    def __init__(self, components: Components, ratio: float) -> None:
        super().__init__()
        network = components.network.patches(components.shape)
        if network is None:
            raise UserError(
                f"model=masked needs an encoder that reads a part of the patches, but the network is "
                f"{type(components.network).__name__}: choose network=vit, or model=denoising corruption=masking"
            )
        tokens = network.tokens
        self.visible = tokens - round(ratio * tokens)  # patches
        if not 0 < self.visible < tokens:
            raise UserError(
                f"model.ratio={ratio} masks {tokens - self.visible} of the {tokens} patches: choose a ratio, or a "
                "network.patch, with which some patches are masked and some are not"
            )
        self.corruption, self.likelihood = components.corruption, components.likelihood
        self.prior = NoPrior()
        self.patches, self.whole = Patches(network.side), Whole(components.shape, network.side)
        self.embedding, self.encoder = network.embedding, network.encoder
        self.code = components.code(in_features=network.width, dim=components.dim)
        self.widen = nn.Linear(components.dim, network.decoder_width)
        self.mask_token = nn.Parameter(torch.zeros(network.decoder_width))
        self.positions = Positions(tokens, network.decoder_width)
        self.decoder = nn.Sequential(network.decoder, nn.Linear(network.decoder_width, network.pixels))
        order = torch.randperm(tokens, generator=torch.Generator().manual_seed(0), device="cpu")
        self.register_buffer("fixed", order, persistent=False)
        self.initialization = components.initialization
        self.apply(self.initialization)

    def initialize(self, batches: Iterable[Batch]) -> None:
        """Sets the decoder's last bias so that its output is near the mean of all patches."""
        if self.initialization.output_starts_at_mean:
            patches = self.patches(mean_example(batches)[None])  # (1, N, P)
            blank = self.mask_token.expand(1, *self.positions.places.shape)
            start_at(self.decoder, (self.positions(blank),), patches, self.likelihood.parameter)

    def loss(self, batch: Batch) -> Loss:
        x, places = batch.x, self.positions.places
        order = torch.rand(len(x), len(places), device=x.device).argsort(1)  # (B, N)
        visible, masked = order.split([self.visible, len(places) - self.visible], dim=1)
        code = self._read(self.corruption(x), visible)
        theta = self._write(code.z, visible)
        recon = self.likelihood.nll(_taken(theta, masked), _taken(self.patches(x), masked))
        return Loss({"recon": recon, **code.terms}, code.stats)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Code:
        return self._read(x, self._all(x))

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.likelihood.mean(self.whole(self._write(z, self._all(z))))

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        visible = self.fixed[: self.visible].expand(x.shape[0], -1)
        drawn = self.likelihood.mean(self._write(self._read(x, visible).mean, visible))  # (B, N, P)
        return self.whole(_put(drawn, visible, _taken(self.patches(x), visible)))

    def _read(self, x: Tensor, visible: Tensor) -> Code:
        """(B, *shape), the places of V patches (B, V) -> the code of these, (B, V, D)"""
        return self.code(self.encoder(_taken(self.embedding(x), visible)))

    def _write(self, z: Tensor, visible: Tensor) -> Tensor:
        """(B, V, D), their places (B, V) -> theta of all patches, (B, N, P)"""
        blank = self.mask_token.expand(z.shape[0], *self.positions.places.shape)  # (B, N, width)
        return self.decoder(self.positions(_put(blank, visible, self.widen(z))))

    def _all(self, values: Tensor) -> Tensor:
        return torch.arange(len(self.positions.places), device=values.device).expand(values.shape[0], -1)


def _taken(tokens: Tensor, places: Tensor) -> Tensor:
    """(B, N, F), (B, V) -> (B, V, F)"""
    return tokens.gather(1, places[..., None].expand(-1, -1, tokens.shape[2]))


def _put(tokens: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """(B, N, F) with values (B, V, F), which may be of another precision, at places (B, V)"""
    return tokens.scatter(1, places[..., None].expand(-1, -1, tokens.shape[2]), values.to(tokens))
