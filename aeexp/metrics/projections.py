"""Projections of codes to a plane: principal components, and t-SNE."""

import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor


def principal_plane(z: Tensor, y: Tensor) -> tuple[Tensor, list[str]]:
    """Codes (N, D) and labels (N,) -> two principal components (N, 2), and the names of the axes.

    A code of two units is returned as it is, one of a single unit against the class.
    """
    if z.shape[1] == 1:
        jitter = torch.rand(len(z), generator=torch.Generator().manual_seed(0))  # points of one class lie apart
        return torch.stack([z[:, 0], y + 0.7 * (jitter - 0.5)], dim=1), ["z", "class"]
    if z.shape[1] == 2:
        return z, ["z₁", "z₂"]
    pca = PCA(2).fit(z.numpy())
    names = [f"component {n} ({share:.0%})" for n, share in enumerate(pca.explained_variance_ratio_, 1)]
    return torch.as_tensor(pca.transform(z.numpy())), names


def tsne(z: Tensor, perplexity: float, seed: int) -> Tensor:
    """van der Maaten and Hinton (2008), Visualizing data using t-SNE: (N, D) -> (N, 2)"""
    start = "pca" if min(z.shape) > 1 else "random"
    embedding = TSNE(perplexity=min(perplexity, (len(z) - 1) / 3), init=start, random_state=seed)
    return torch.as_tensor(embedding.fit_transform(z.numpy()))
