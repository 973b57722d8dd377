"""Stacked autoencoder. Bengio, Lamblin, Popovici and Larochelle (2007), Greedy layer-wise training of deep networks;
Vincent, Larochelle, Lajoie, Bengio and Manzagol (2010), Stacked denoising autoencoders, figure 3.

    J_k = L(h_{k-1}, g_k(f_k(h~_{k-1}))),    h_k = f_k(h_{k-1}),  h_0 = x,  h~ = corruption(h),    k = 1, ..., n
    J   = -log p(x | g_1(... g_n(z))) + Omega(z),    z = f_n(... f_1(x~)) + what the code costs

`stage` k trains f_k and g_k alone, on what the layers under them, as constants, make of x; stage 0 all together, and
so does a model of which nobody sets the stage (schedule=layerwise does). L is -log p(x | .) for k = 1, the squared
error above. `tied`: g_k has the transposed weights of f_k and a bias of its own. In eval mode the objective is always
J, so that the validation losses of all stages can be compared.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from aeexp.errors import UserError
from aeexp.models.base import Components, Factored
from aeexp.types import Batch, Code, Loss


class Stacked(Factored):
    def __init__(self, components: Components, tied: bool) -> None:
        super().__init__(components)
        self.network = components.network
        self.stages = tuple(f"layer {k + 1}" for k in range(len(self._pairs())))
        if not self.stages:
            raise UserError(
                f"model=stacked trains layers one by one, which the network {type(self.network).__name__} has not: "
                "choose network=mlp_256_64, or model=undercomplete"
            )
        if tied:
            self._tie()

    def loss(self, batch: Batch) -> Loss:
        if self.training and self.stage:
            return self.loss_of_layer(self.stage, batch.x)
        recon, code = self.reconstruction_nll(batch.x)
        return Loss({"recon": recon, **code.terms}, code.stats)

    def loss_of_layer(self, k: int, x: Tensor) -> Loss:
        """J_k, and for the last layer what the code costs"""
        pairs = self._pairs()
        f, g = pairs[k - 1]
        with torch.no_grad():
            h = nn.Sequential(*(below for below, _ in pairs[: k - 1]))(x)  # h_{k-1}, (B, *shape) or (B, F)
        code = f(self.corruption(h))
        code = code if isinstance(code, Code) else Code(code, code)
        back = g(code.z)
        recon = self.likelihood.nll(back, x) if k == 1 else (h - back).square().sum(1)
        return Loss({"recon": recon, **code.terms}, code.stats)

    def _pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """f_k and g_k of each layer."""
        return self.network.layer_pairs(self.encoder, self.code, self.decoder)

    def _tie(self) -> None:
        if self.code.activation is None:
            raise UserError(
                f"model.tied=true shares the weights of a code z = s(W h + b) with the decoder, but the code "
                f"{type(self.code).__name__} is none: choose code=identity, relu or sigmoid, or model.tied=false"
            )
        layers = [layer for layer in [*self.encoder, self.code.project] if isinstance(layer, nn.Linear)]
        down = list(self.decoder.children())
        for place, layer in zip(range(0, len(down), 2), reversed(layers), strict=True):
            down[place] = Transposed(layer.weight, down[place].get_parameter("bias"))
        self.decoder = nn.Sequential(*down)


class Transposed(nn.Module):
    """h -> W^T h + c"""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, h: Tensor) -> Tensor:
        return linear(h, self.weight.T, self.bias)
