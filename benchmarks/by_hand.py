"""The objective of each model as one would write it without this project: a function of its weights and a batch.

The weights and buffers are the model's own, by name; random numbers are drawn in the same order, so that both give
the same objective from the same seed (tests/test_benchmarks.py).
"""

from collections.abc import Callable
from math import log

import torch
from torch import Tensor
from torch.nn import functional as F

P = dict[str, Tensor]  # the model's own weights and buffers, by name
CLASSES = 10


def linear(p: P, name: str, x: Tensor) -> Tensor:
    return F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])


def convolution(p: P, name: str, x: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
    return F.conv2d(x, p[f"{name}.weight"], p[f"{name}.bias"], stride, padding)


def mlp(p: P, names: list[str], x: Tensor) -> Tensor:
    """Linear layers with a ReLU between each two."""
    for name in names[:-1]:
        x = linear(p, name, x).relu()
    return linear(p, names[-1], x)


def bernoulli(theta: Tensor, x: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(theta.flatten(1), x.flatten(1), reduction="sum") / len(x)


def undercomplete(p: P, x: Tensor) -> Tensor:
    return bernoulli(linear(p, "decoder.0", linear(p, "code.project", x.flatten(1))), x)


def denoising(p: P, x: Tensor) -> Tensor:
    noisy = (x + 0.5 * torch.randn_like(x)).clamp(0, 1)
    return bernoulli(linear(p, "decoder.0", linear(p, "code.project", noisy.flatten(1))), x)


def sparse(p: P, x: Tensor) -> Tensor:
    z = linear(p, "code.project", x.flatten(1)).relu()
    return bernoulli(linear(p, "decoder.0", z), x) + 0.0784 * z.abs().sum() / len(x)


def sparse_kl(p: P, x: Tensor) -> Tensor:
    z = linear(p, "code.project", x.flatten(1)).sigmoid()
    r, rho = z.mean(0), torch.tensor(0.05)
    kl = rho * (rho / r).log() + (1 - rho) * ((1 - rho) / (1 - r)).log()
    return bernoulli(linear(p, "decoder.0", z), x) + 3 * kl.sum()


def topk(p: P, x: Tensor) -> Tensor:
    a = linear(p, "code.project", x.flatten(1))
    top = a.topk(8, sorted=False)
    z = torch.zeros_like(a).scatter(1, top.indices, top.values)
    p["inactive_for"].add_(len(x)).masked_fill_((z != 0).any(0), 0)
    theta, dead = linear(p, "decoder.0", z), p["inactive_for"] >= 10_000
    recon = bernoulli(theta, x)
    if not dead.any():
        return recon
    e = (x.flatten(1) - theta.sigmoid()).detach()
    top = a.masked_fill(~dead, -torch.inf).topk(8, sorted=False)
    kept = torch.zeros_like(a).scatter(1, top.indices, 1.0) * dead
    return recon + (e - (a * kept) @ p["decoder.0.weight"].T).square().sum() / len(x) / 32


def contractive(p: P, x: Tensor) -> Tensor:
    z = linear(p, "code.project", x.flatten(1)).sigmoid()
    norm = (z * (1 - z)).square() @ p["code.project.weight"].square().sum(1)
    return bernoulli(linear(p, "decoder.0", z), x) + 0.1 * norm.mean()


def contractive_hutchinson(p: P, x: Tensor) -> Tensor:
    z = linear(p, "code.project", x.flatten(1)).sigmoid()
    v = 2 * torch.randint_like(z.detach().expand(4, *z.shape), 2) - 1
    norm = ((v * z * (1 - z)) @ p["code.project.weight"]).square().sum(2).mean()
    return bernoulli(linear(p, "decoder.0", z), x) + 0.1 * norm


def features(p: P, x: Tensor) -> Tensor:
    return linear(p, "encoder.3", linear(p, "encoder.1", x.flatten(1)).relu()).relu()


def deep(p: P, x: Tensor) -> Tensor:
    z = linear(p, "code.project", features(p, x))
    return bernoulli(mlp(p, ["decoder.0", "decoder.2", "decoder.4"], z), x)


def hashing(p: P, x: Tensor) -> Tensor:
    a = linear(p, "code.project", features(p, x))
    return bernoulli(mlp(p, ["decoder.0", "decoder.2", "decoder.4"], (a + 4 * torch.randn_like(a)).sigmoid()), x)


def encoded(p: P, x: Tensor) -> Tensor:
    return linear(p, "encoder.1", x.flatten(1)).relu()


def posterior(p: P, h: Tensor) -> tuple[Tensor, Tensor]:
    """A sample, and KL_j."""
    mu, log_var = linear(p, "code.project", h).chunk(2, dim=1)
    z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)
    return z, 0.5 * (mu.square() + log_var.exp() - 1 - log_var)


def variational(p: P, x: Tensor) -> tuple[Tensor, Tensor]:
    z, kl = posterior(p, encoded(p, x))
    return bernoulli(mlp(p, ["decoder.0", "decoder.2"], z), x), kl


def vae(p: P, x: Tensor) -> Tensor:
    recon, kl = variational(p, x)
    return recon + kl.sum() / len(x)


def beta_vae(p: P, x: Tensor) -> Tensor:
    recon, kl = variational(p, x)
    return recon + 4 * kl.sum() / len(x)


def vae_capacity(p: P, x: Tensor) -> Tensor:
    recon, kl = variational(p, x)
    return recon + (kl.sum() / len(x) - 25).abs()


def vae_free_bits(p: P, x: Tensor) -> Tensor:
    recon, kl = variational(p, x)
    return recon + kl.mean(0).clamp(min=0.25).sum()


def iwae(p: P, x: Tensor) -> Tensor:
    mu, log_var = linear(p, "code.project", encoded(p, x)).chunk(2, dim=1)
    eps = torch.randn(5, *mu.shape)
    z = mu + (0.5 * log_var).exp() * eps
    theta = mlp(p, ["decoder.0", "decoder.2"], z)  # (k, B, 784)
    target = x.flatten(1).expand_as(theta)
    log_px = -F.binary_cross_entropy_with_logits(theta, target, reduction="none").sum(2)
    log_w = log_px + 0.5 * (eps.square() - z.square() + log_var).sum(2)
    return -(log_w.logsumexp(0) - log(5)).mean()


def conditional_vae(p: P, x: Tensor) -> Tensor:
    y = torch.arange(len(x)) % CLASSES
    told = F.one_hot(y, CLASSES) * (torch.rand(len(x)) >= 0.1)[:, None]
    h = encoded(p, torch.cat([x.flatten(1), F.linear(told.to(x), p["channel.weight"])], dim=1))
    z, kl = posterior(p, h)
    return bernoulli(mlp(p, ["decoder.0", "decoder.2"], torch.cat([z, told], dim=1)), x) + kl.sum() / len(x)


def adversarial(p: P, x: Tensor) -> Tensor:
    z = linear(p, "code.project", encoded(p, x))
    recon = bernoulli(mlp(p, ["decoder.0", "decoder.2"], z), x)
    names = ["discriminator.0.1", "discriminator.0.3"]
    constants = {name: weight.detach() for name, weight in p.items()}

    def logit(weights: P, z: Tensor) -> Tensor:
        return linear(weights, "discriminator.1", mlp(weights, names, z).relu())

    drawn = torch.randn_like(z)
    fooled = F.softplus(-logit(constants, z)).mean()
    return recon + fooled + F.softplus(-logit(p, drawn)).mean() + F.softplus(logit(p, z.detach())).mean()


def quantised(p: P, x: Tensor) -> tuple[Tensor, Tensor]:
    """The objective of vq_vae, and the indices (N,) of what was chosen."""
    e, used = p["code.codebooks.0.entries"], p["code.codebooks.0.used"]
    flat = linear(p, "code.project", encoded(p, x))
    z_e = flat.reshape(-1, 2)
    with torch.no_grad():
        dead = used < 0.1
        drawn = z_e[torch.randint(len(z_e), used.shape)]
        e.copy_(torch.where(dead[:, None], drawn, e))
        used.masked_fill_(dead, 1.0)
        k = (e.square().sum(1) - 2 * z_e @ e.T).argmin(1)
        z_q, counts = e[k], torch.bincount(k, minlength=len(e))
        used.mul_(0.99).add_(counts, alpha=0.01)
        sums = torch.zeros_like(e).index_add_(0, k, z_e)
        e.add_((sums - counts[:, None] * e) / used[:, None], alpha=0.01)
    commitment = 0.25 * (z_e - z_q).square().sum() / len(x)
    z = flat + (z_q.view_as(flat) - flat).detach()
    return bernoulli(mlp(p, ["decoder.0", "decoder.2"], z), x) + commitment, k


def vq_vae(p: P, x: Tensor) -> Tensor:
    return quantised(p, x)[0]


def vq_prior(p: P, x: Tensor) -> Tensor:
    """Both stages in one step, the prior over what the codebook has become."""
    objective, _ = quantised(p, x)
    e, prior = p["code.codebooks.0.entries"], within(p, "prior.logits.")
    with torch.no_grad():
        z_e = linear(p, "code.project", encoded(p, x)).reshape(-1, 2)
        k = (e.square().sum(1) - 2 * z_e @ e.T).argmin(1).view(len(x), -1)
    start = prior["start"].expand(len(x), 1, -1)
    h = torch.cat([start, prior["embedding.weight"][k[:, :-1]]], dim=1) + prior["places"]
    h = attended(prior, "blocks.0", h, causal=True)
    logits = linear(prior, "head.1", normed(prior, "head.0", h))
    return objective + F.cross_entropy(logits.flatten(0, 1), k.flatten(), reduction="sum") / len(x)


def convolved(p: P, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """What the decoder starts from, and where the two poolings found the greatest values."""
    h, first = F.max_pool2d(convolution(p, "encoder.0", x).relu(), 2, return_indices=True)
    h, second = F.max_pool2d(convolution(p, "encoder.3", h).relu(), 2, return_indices=True)
    h = convolution(p, "encoder.8", convolution(p, "encoder.6", h).relu()).relu()
    h = linear(p, "decoder.0", linear(p, "code.project", h.flatten(1))).relu().view_as(h)
    return convolution(p, "decoder.5", convolution(p, "decoder.3", h).relu()).relu(), [first, second]


def conv(p: P, x: Tensor) -> Tensor:
    h, _ = convolved(p, x)
    h = F.interpolate(convolution(p, "decoder.7", h).relu(), scale_factor=2.0)
    h = F.interpolate(convolution(p, "decoder.10", h).relu(), scale_factor=2.0)
    return bernoulli(convolution(p, "decoder.13", h), x)


def conv_transposed(p: P, x: Tensor) -> Tensor:
    h, _ = convolved(p, x)
    for name in ("decoder.7", "decoder.9"):
        h = F.conv_transpose2d(h, p[f"{name}.weight"], p[f"{name}.bias"], stride=2, padding=1).relu()
    return bernoulli(convolution(p, "decoder.11", h), x)


def conv_unpool(p: P, x: Tensor) -> Tensor:
    h, (first, second) = convolved(p, x)
    h = F.max_unpool2d(convolution(p, "decoder.7", h).relu(), second, 2)
    h = F.max_unpool2d(convolution(p, "decoder.10", h).relu(), first, 2)
    return bernoulli(convolution(p, "decoder.13", h), x)


def lstm(p: P, x: Tensor) -> Tensor:
    def run(name: str, steps: Tensor) -> Tensor:
        weights = [p[f"{name}.lstm.{part}"] for part in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")]
        start = torch.zeros(1, len(x), 128)
        return torch.lstm(steps, (start, start), weights, True, 1, 0.0, True, False, True)[0]

    z = linear(p, "code.project", run("encoder.2", x[:, 0])[:, -1])
    g = run("decoder.0", z[:, None].expand(-1, 28, -1))
    return bernoulli(linear(p, "decoder.0.out", g).flip(1), x)


def u_net(p: P, x: Tensor, c: Tensor | None = None) -> Tensor:
    def block(name: str, x: Tensor) -> Tensor:
        h = convolution(p, f"{name}.first", F.silu(x))
        h = F.group_norm(h, 1, p[f"{name}.norm.weight"], p[f"{name}.norm.bias"])
        if c is not None:
            scale, shift = linear(p, f"{name}.film", c)[:, :, None, None].chunk(2, dim=1)
            h = h * (1 + scale) + shift
        past = convolution(p, f"{name}.past", x, padding=0) if f"{name}.past.weight" in p else x
        return past + convolution(p, f"{name}.second", F.silu(h))

    a = block("down.0", convolution(p, "enter", x))
    b = block("down.1", convolution(p, "shrink.0", a, stride=2))
    h = block("middle", convolution(p, "shrink.1", b, stride=2))
    h = block("up.1", torch.cat([b, convolution(p, "grow.1", F.interpolate(h, scale_factor=2.0))], dim=1))
    h = block("up.0", torch.cat([a, convolution(p, "grow.0", F.interpolate(h, scale_factor=2.0))], dim=1))
    return convolution(p, "leave", h)


def unet(p: P, x: Tensor) -> Tensor:
    noisy = (x + 0.5 * torch.randn_like(x)).clamp(0, 1)
    return bernoulli(u_net(within(p, "u."), noisy), x)


def diffusion(p: P, x: Tensor) -> Tensor:
    z = linear(p, "code.project", encoded(p, x))
    eps, t = torch.randn_like(x), torch.randint(1, 1001, (len(x),))
    abar = p["abar"][t][:, None, None, None]
    x_t = abar.sqrt() * (2 * x - 1) + (1 - abar).sqrt() * eps
    angles = t[:, None] * torch.exp(torch.arange(16) * (-9.2 / 16))
    c = torch.cat([z, angles.sin(), angles.cos()], dim=1)
    return (eps - u_net(within(p, "eps_theta."), x_t, c)).square().sum() / len(x)


def masked(p: P, x: Tensor) -> Tensor:
    visible, hidden = torch.rand(len(x), 49).argsort(1).split([12, 37], dim=1)
    each = torch.arange(len(x))[:, None]
    patches = F.unfold(x, 4, stride=4).transpose(1, 2)  # (B, 49, 16)
    tokens = (linear(p, "embedding.1", patches) + p["embedding.2.places"])[each, visible]
    for number in range(3):
        tokens = attended(p, f"encoder.{number}", tokens)
    z = linear(p, "widen", linear(p, "code.project", normed(p, "encoder.3", tokens)))
    blank = p["mask_token"].expand(len(x), 49, 32).clone()
    blank[each, visible] = z
    tokens = normed(p, "decoder.0.1", attended(p, "decoder.0.0", blank + p["positions.places"]))
    theta = linear(p, "decoder.1", tokens)
    return bernoulli(theta[each, hidden], patches[each, hidden])


def attended(p: P, name: str, x: Tensor, causal: bool = False) -> Tensor:
    """A block of a transformer that norms first, with 4 heads."""
    weight, bias = p[f"{name}.self_attn.in_proj_weight"], p[f"{name}.self_attn.in_proj_bias"]
    qkv = F.linear(normed(p, f"{name}.norm1", x), weight, bias)
    q, k, v = (part.unflatten(2, (4, -1)).transpose(1, 2) for part in qkv.chunk(3, dim=2))
    heads = F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)
    x = x + linear(p, f"{name}.self_attn.out_proj", heads)
    return x + linear(p, f"{name}.linear2", F.gelu(linear(p, f"{name}.linear1", normed(p, f"{name}.norm2", x))))


def normed(p: P, name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"])


def within(p: P, prefix: str) -> P:
    return {name.removeprefix(prefix): weight for name, weight in p.items() if name.startswith(prefix)}


BY_HAND: dict[str, Callable[[P, Tensor], Tensor]] = {
    function.__name__: function
    for function in (
        *(adversarial, beta_vae, conditional_vae, contractive, contractive_hutchinson, conv, conv_transposed),
        *(conv_unpool, deep, denoising, diffusion, hashing, iwae, lstm, masked, sparse, sparse_kl, topk),
        *(undercomplete, unet, vae, vae_capacity, vae_free_bits, vq_prior, vq_vae),
    )
} | {"stacked": deep}  # fine-tuned, all layers together
