"""How well the test images come back through the code.

    squared_error   ||x - x^||^2, summed over the image, in units of data.scale squared
    nats            the term `recon` of the kind's own objective, on uncorrupted input
    psnr            10 log10(scale^2 / mean squared error of the image), dB; infinite for a perfect image
    ssim            structural similarity, Wang et al. (2004), with a Gaussian window; of images alone

each averaged over the test images.
"""

from math import prod

import torch

from aeexp.evaluation.figures import rows_of_images
from aeexp.evaluation.subject import Result, Subject

SHOWN = 10


class Reconstruction:
    def __call__(self, subject: Subject) -> Result:
        model, test, scale = subject.model, subject.data.test, subject.data.scale
        error, nats, ssim = subject.errors(test)
        psnr = 10 * torch.log10(scale**2 * prod(subject.data.shape) / error)
        shown = test[torch.arange(min(SHOWN, len(test)))].x
        with torch.no_grad():
            figure = rows_of_images({"original": shown, "restored": model.reconstruct(shown)}, scale)
        metrics = {"squared_error": error, "nats": nats, "psnr": psnr, **({} if ssim.isnan().any() else {"ssim": ssim})}
        return Result({name: value.mean().item() for name, value in metrics.items()}, {"reconstructions": figure})
