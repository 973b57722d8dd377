"""Vision transformer. Dosovitskiy et al. (2021), An image is worth 16x16 words: patches, positions, and blocks.

encoder    a token for each patch, positions, blocks
decoder    a token for each patch from the code, blocks, patches

The code is a vector for the whole image, from the mean of the last block's tokens (ViT), or one a token (Tokens).
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from aeexp.errors import UserError
from aeexp.networks.base import Encoder, Network, PatchNetwork
from aeexp.networks.transformer import block


class Patched(Network):
    twice_differentiable = False  # fused attention has no second derivative

    def __init__(self, patch: int, width: int, depth: int, decoder_width: int, decoder_depth: int, heads: int) -> None:
        if width % heads or decoder_width % heads:
            raise UserError(
                f"network.heads={heads} share network.width={width} and network.decoder_width={decoder_width}: choose "
                "widths that are multiples of the heads"
            )
        self.patch, self.heads = patch, heads
        self.width, self.depth, self.decoder_width, self.decoder_depth = width, depth, decoder_width, decoder_depth

    @abstractmethod
    def start(self, in_features: int, tokens: int) -> nn.Module:
        """(B, *positions, in_features) -> (B, N, decoder_width)"""

    def decoder(self, in_features: int, shape: tuple[int, ...]) -> nn.Module:
        tokens, pixels = self.tokens(shape)
        return nn.Sequential(
            self.start(in_features, tokens),
            self.decoder_blocks(),
            nn.Linear(self.decoder_width, pixels),
            Whole(shape, self.patch),
        )

    def tokens(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """N patches of P values each. UserError where images cannot be cut into them."""
        if len(shape) != 3 or shape[1] % self.patch or shape[2] % self.patch:
            raise UserError(
                f"network=vit cuts images (C, H, W) into squares of network.patch={self.patch} pixels, but the data's "
                f"shape is {tuple(shape)}: choose a patch that divides H and W, or network=mlp"
            )
        return shape[1] * shape[2] // self.patch**2, shape[0] * self.patch**2

    def patches(self, shape: tuple[int, ...]) -> PatchNetwork:
        tokens, pixels = self.tokens(shape)
        parts = self.embedding(shape), self.encoder_blocks(), self.decoder_blocks()
        return PatchNetwork(self.patch, tokens, pixels, self.width, self.decoder_width, *parts)

    def embedding(self, shape: tuple[int, ...]) -> nn.Module:
        """(B, *shape) -> (B, N, width)"""
        tokens, pixels = self.tokens(shape)
        return nn.Sequential(Patches(self.patch), nn.Linear(pixels, self.width), Positions(tokens, self.width))

    def encoder_blocks(self) -> nn.Module:
        """(B, n, width) -> the same"""
        return self._blocks(self.width, self.depth)

    def decoder_blocks(self) -> nn.Module:
        """(B, n, decoder_width) -> the same"""
        return self._blocks(self.decoder_width, self.decoder_depth)

    def _blocks(self, width: int, depth: int) -> nn.Module:
        # one after the other; nn.TransformerEncoder starts all of them with the same weights
        return nn.Sequential(*(block(width, self.heads) for _ in range(depth)), nn.LayerNorm(width))


class ViT(Patched):
    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        return Encoder(self.embedding(shape), self.encoder_blocks(), Mean(), out_features=self.width)

    def start(self, in_features: int, tokens: int) -> nn.Module:
        wide = nn.Linear(in_features, tokens * self.decoder_width)
        return nn.Sequential(wide, nn.Unflatten(1, (tokens, self.decoder_width)))


class Tokens(Patched):
    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        positions = self.tokens(shape)[:1]
        return Encoder(self.embedding(shape), self.encoder_blocks(), out_features=self.width, positions=positions)

    def start(self, in_features: int, tokens: int) -> nn.Module:
        return nn.Sequential(nn.Linear(in_features, self.decoder_width), Positions(tokens, self.decoder_width))


class Patches(nn.Module):
    """(B, C, H, W) -> (B, N, P), row by row, P = C patch^2"""

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.unfold(x, self.patch, stride=self.patch).transpose(1, 2)


class Whole(nn.Module):
    """(B, N, P) -> (B, C, H, W), the inverse of Patches"""

    def __init__(self, shape: tuple[int, ...], patch: int) -> None:
        super().__init__()
        self.size, self.patch = tuple(shape[1:]), patch

    def forward(self, patches: Tensor) -> Tensor:
        return nn.functional.fold(patches.transpose(1, 2), self.size, self.patch, stride=self.patch)


class Positions(nn.Module):
    """Adds to each token what is learned for its place: (B, N, width) -> the same"""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.places = nn.Parameter(0.02 * torch.randn(tokens, width))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens + self.places


class Mean(nn.Module):
    """(B, N, width) -> (B, width)"""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.mean(1)
