"""TopK autoencoder. Gao et al. (2024), Scaling and evaluating sparse autoencoders, eq. 2, section 2.4, appendix A.2.

    J(x) = -log p(x | z) + alpha ||e - e^||^2,    z = TopK(a),  a = W h + b,  e = x - x^,  e^ = g(z_aux) - g(0)

z_aux keeps the k_aux largest pre-activations of dead units, which come back to life by what they could say of the
residual e, a constant here. A unit is dead when none of the last `dead_after` training examples made it active.
With the paper's linear decoder, e^ is its W_dec z_aux; their b_pre, subtracted from x and added to x^, is in the
biases b and g(0), and W starts as their W_dec transposed; their L is the squared error, here it is the likelihood's.
`auxk` is 0 while no unit is dead.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from aeexp.codes.topk import largest
from aeexp.errors import UserError
from aeexp.models.base import Components, Factored, mean_example
from aeexp.networks.base import output_layer
from aeexp.types import Batch, Loss


class TopK(Factored):
    inactive_for: Tensor  # (D,), training examples since the unit was active

    def __init__(self, components: Components, alpha: float, k_aux: int, dead_after: int) -> None:
        super().__init__(components)
        if self.code.k is None:
            raise UserError(
                f"model=topk revives dead units of code=topk, but the code is {type(self.code).__name__}: "
                "choose code=topk, or model=undercomplete with this code"
            )
        if not 1 <= k_aux <= components.dim:
            raise UserError(
                f"model=topk revives model.k_aux={k_aux} of bottleneck.dim={components.dim} units at a time: "
                f"choose a k_aux from 1 to {components.dim}"
            )
        self.alpha, self.k_aux, self.dead_after = alpha, k_aux, dead_after
        self.register_buffer("inactive_for", torch.zeros(components.dim, dtype=torch.int64))

    def initialize(self, batches: Iterable[Batch]) -> None:
        """Of one linear layer each, the encoder starts as the transposed decoder, and subtracts the mean example."""
        mean = mean_example(batches)
        self.start_at_mean(mean)
        if self.encoder.only_flattens and self.initialization.output_starts_at_mean:
            project, (_, layer) = self.code.project, output_layer(self.decoder)
            with torch.no_grad():
                project.weight.copy_(layer.get_parameter("weight").T)
                project.bias.copy_(-project.weight @ mean.flatten())

    def loss(self, batch: Batch) -> Loss:
        h, switches = self.encoder.with_switches(self.corruption(batch.x))
        a = self.code.project(h)  # (B, *positions, D)
        code = self.code.of(a)
        if self.training:
            self._count_inactive(code.z)
        theta = self.decoder(code.z, *switches)
        e = (batch.x - self.likelihood.mean(theta)).detach()  # (B, *shape)
        auxk = self.residual(a, e, switches)
        terms = {"recon": self.likelihood.nll(theta, batch.x), **code.terms, "auxk": self.alpha * auxk}
        return Loss(terms, code.stats)

    def residual(self, a: Tensor, e: Tensor, switches: list[Tensor]) -> Tensor:
        """||e - e^||^2 of pre-activations a (B, *positions, D), residuals e (B, *shape); 0 without dead units: (B,)"""
        dead = self.inactive_for >= self.dead_after  # (D,)
        if not dead.any():
            return e.new_zeros(len(e))
        z_aux = a * (largest(a.masked_fill(~dead, -torch.inf), self.k_aux) & dead)
        nothing = torch.zeros_like(z_aux if switches else z_aux[:1])  # without switches, g(0) is one image for all
        e_hat = self.decoder(z_aux, *switches) - self.decoder(nothing, *switches)
        return (e - e_hat).square().flatten(1).sum(1)

    @torch.no_grad()
    def _count_inactive(self, z: Tensor) -> None:
        self.inactive_for.add_(len(z)).masked_fill_((z != 0).flatten(0, -2).any(0), 0)
