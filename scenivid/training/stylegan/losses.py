"""StyleGAN2's losses and regularisers as functions; images and logits in, a scalar out."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Logistic: mean softplus(−D(x)) + mean softplus(D(G(z))). Goodfellow et al. 2014."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """Non-saturating: mean softplus(−D(G(z))). Goodfellow et al. 2014."""
    return F.softplus(-fake).mean()


def r1_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Mean over samples of |∇ₓD(x)|², with a graph. Mescheder et al. 2018, equation 9 without γ/2.

    Args:
        logits: [N], computed from `images`.
        images: [N, 3, H, W], requiring gradients.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def path_lengths(images: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    """|Jᵀy| for each sample: √(mean over layers of |gradient|²). Karras et al. 2020, section 3.2.

    Args:
        images: [N, 3, H, W], computed from `w`.
        w: [N, layers, style_dim], part of the graph.
        noise: y, standard normal of the images' shape; scaled by 1/√(H·W) here.

    Returns:
        [N], with a graph.
    """
    scaled = noise / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * scaled).sum(), w, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def path_penalty(lengths: Tensor, mean: Tensor, decay: float = 0.01) -> tuple[Tensor, Tensor]:
    """Squared distance of the lengths from their moving mean.

    Returns:
        (penalty, the mean moved by `decay` towards these lengths, detached).
    """
    moved = mean + decay * (lengths.mean().detach() - mean)
    return (lengths - moved).square().mean(), moved


def mix_styles(first: Tensor, second: Tensor, crossover: int, latents: int) -> Tensor:
    """Layers below `crossover` from `first`, the rest from `second`: [N, D] twice to [N, latents, D]."""
    coarse = first[:, None].expand(-1, crossover, -1)
    fine = second[:, None].expand(-1, latents - crossover, -1)
    return torch.cat([coarse, fine], dim=1)
