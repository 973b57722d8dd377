"""How well the test images come back through the code.

    squared_error   ||x - x^||^2, summed over the image, in units of data.scale squared
    nats            the term `recon` of the kind's own objective, on uncorrupted input
    psnr            10 log10(scale^2 / mean squared error of the image), dB; infinite for a perfect image
    ssim            structural similarity, Wang et al. (2004), with a Gaussian window; of images alone

each averaged over the test images.
"""

from math import prod

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from aeexp.evaluation.figures import rows_of_images
from aeexp.evaluation.subject import Result, Subject
from aeexp.types import Batch

SHOWN = 10


class Reconstruction:
    def __call__(self, subject: Subject) -> Result:
        model, test, scale = subject.model, subject.data.test, subject.data.scale

        def scores(batch: Batch) -> Tensor:
            restored = model.reconstruct(batch.x)
            error = (batch.x - restored).square().flatten(1).sum(1)
            recon = model.loss(batch).terms["recon"]
            alike = [ssim(restored, batch.x, scale)] if restored.dim() == 4 else []
            return torch.stack([error, recon, *alike], dim=1)  # (B, 2 or 3)

        torch.manual_seed(0)  # `nats` of a sampled code
        error, nats, *alike = subject.map(scores, test).double().unbind(1)
        psnr = 10 * torch.log10(scale**2 * prod(subject.data.shape) / error)
        shown = test[torch.arange(min(SHOWN, len(test)))].x
        with torch.no_grad():
            figure = rows_of_images({"original": shown, "restored": model.reconstruct(shown)}, scale)
        metrics = {"squared_error": error, "nats": nats, "psnr": psnr, **({"ssim": alike[0]} if alike else {})}
        return Result({name: value.mean().item() for name, value in metrics.items()}, {"reconstructions": figure})


def ssim(a: Tensor, b: Tensor, scale: float) -> Tensor:
    """(B, C, H, W) twice -> (B,). The usual window of 11 pixels, or 5 where the images are under 16 pixels."""
    sigma = 1.5 if min(a.shape[2:]) >= 16 else 0.5
    index = structural_similarity_index_measure(a, b, sigma=sigma, data_range=scale, reduction="none")
    assert isinstance(index, Tensor)  # not the pair that other options of it give
    return index.reshape(len(a))
