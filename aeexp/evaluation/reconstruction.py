"""Reconstruction of the test examples: squared error, negative log-likelihood, PSNR, SSIM.

    squared_error   ||x - x^||^2, summed over the image, in units of data.scale squared
    fvu             fraction of variance unexplained: the squared error, over that of the mean training example
    nats            the term `recon` of the model's own objective, on uncorrupted input
    psnr            10 log10(scale^2 / mean squared error of the image), dB; infinite for a perfect image
    ssim            structural similarity, Wang et al. (2004), with a Gaussian window; of images only

each averaged over the test examples; and `squared_error_worst_class`, the largest mean of a class, of labelled data.
The figure `error_by_class` shows all classes.
"""

from math import prod

import torch

from aeexp.context.base import EvaluationContext, Result
from aeexp.data.examples import BATCH
from aeexp.models.base import mean_example
from aeexp.plots.curves import error_by_class
from aeexp.plots.grid import rows_of_images

SHOWN = 10


class Reconstruction:
    def __call__(self, context: EvaluationContext) -> Result:
        model, test, scale = context.model, context.data.test, context.data.scale
        error, nats, ssim = context.errors(test)
        psnr = 10 * torch.log10(scale**2 * prod(context.data.shape) / error)
        of_bounded = {"psnr": psnr, **({} if ssim.isnan().any() else {"ssim": ssim})} if context.data.bounded else {}
        shown = test[torch.arange(min(SHOWN, len(test)))]
        with torch.no_grad():
            figure = rows_of_images({"original": shown.x, "restored": model.reconstruct(*shown)}, scale)
        metrics = {"squared_error": error, "nats": nats, **of_bounded}
        mean = mean_example(context.data.train.batches(BATCH))
        of_mean = context.map(lambda batch: (batch.x - mean).square().flatten(1).sum(1), test)
        by_class = {context.class_name(int(c)): error[test.y == c].mean().item() for c in test.y[test.y >= 0].unique()}
        figures = {"reconstructions": figure}
        worst = {}
        if by_class:
            worst["squared_error_worst_class"] = max(by_class.values())
            figures["error_by_class"] = error_by_class(by_class, error.mean().item(), context.model_name)
        means = {name: value.mean().item() for name, value in metrics.items()}
        return Result({**means, "fvu": (error.mean() / of_mean.double().mean()).item(), **worst}, figures)
