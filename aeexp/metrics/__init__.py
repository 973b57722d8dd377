"""Pure functions of arrays: neighbours, ranking, Frechet distance, SSIM, Jacobians, hash buckets."""
