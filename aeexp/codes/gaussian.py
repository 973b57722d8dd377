"""The variational code. Kingma and Welling (2014), Auto-encoding variational Bayes, eq. 10 and appendix B.

    q(z | x) = N(mu, diag sigma^2),  z = mu + sigma * eps,  eps ~ N(0, I)
    KL(q(z | x) || N(0, I)) = 1/2 sum_j (mu_j^2 + sigma_j^2 - 1 - log sigma_j^2)

weighted by beta: Higgins et al. (2017), beta-VAE, eq. 4.
"""

import torch
from torch import Tensor, nn

from aeexp.types import Code


class Gaussian(nn.Module):
    def __init__(self, in_features: int, dim: int, beta: float) -> None:
        super().__init__()
        self.project = nn.Linear(in_features, 2 * dim)
        self.beta = beta

    def forward(self, h: Tensor) -> Code:
        """z is a fresh sample at every call; `mean` is mu."""
        mu, log_var = self.project(h).chunk(2, dim=-1)  # (B, *positions, D) each
        z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)
        kl = 0.5 * (mu.square() + log_var.exp() - 1 - log_var).flatten(1).sum(1)  # (B,)
        return Code(z, mu, {"kl": self.beta * kl}, {"kl_nats": kl})
