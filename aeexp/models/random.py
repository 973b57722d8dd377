"""The untrained encoder, a baseline: what the architecture gives without learning. No weight of it is trained."""

from aeexp.models.base import Factored, Parts
from aeexp.types import Batch, Loss


class Random(Factored):
    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.requires_grad_(False)

    def loss(self, batch: Batch) -> Loss:
        recon, code = self.recon(batch.x)
        return Loss({"recon": recon}, code.stats)
