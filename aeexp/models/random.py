"""The untrained encoder, a baseline: what the architecture gives without learning. No weight of it is trained."""

from aeexp.models.base import Components, Factored
from aeexp.types import Batch, Loss


class Random(Factored):
    def __init__(self, components: Components) -> None:
        super().__init__(components)
        self.requires_grad_(False)

    def loss(self, batch: Batch) -> Loss:
        recon, code = self.reconstruction_nll(batch.x)
        return Loss({"recon": recon}, code.stats)
