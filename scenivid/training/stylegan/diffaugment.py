"""Differentiable augmentation of what the discriminator sees.

Transformations: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020 (colour,
translation, cutout), each laid on a sample with probability p. With p = 1 that is DiffAugment; with p driven
by `ada.AdaptiveProbability` it is a cheap relative of ADA, for small networks on CPUs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SHIFT = 1 / 8
_CUT = 1 / 2


def diff_augment(images: Tensor, probability: Tensor, rng: torch.Generator) -> Tensor:
    """Colour, translation and cutout, each sample on its own; gradients flow through.

    Args:
        images: [N, 3, H, W] in [-1, 1].
        probability: of each of the three, for each sample; a scalar on the images' device.
        rng: generator of that device; every draw comes from it.
    """
    for transform in (_colour, _translate, _cut_out):
        chosen = torch.rand(len(images), generator=rng, device=images.device) < probability
        images = transform(images, chosen, rng)
    return images


def _uniform(like: Tensor, rng: torch.Generator) -> Tensor:
    return torch.rand(len(like), 1, 1, 1, generator=rng, device=like.device).to(like.dtype)


def _whole(low: int, high: int, like: Tensor, rng: torch.Generator) -> Tensor:
    """[N, 1] integers from `low` to `high`."""
    return torch.randint(low, high + 1, (len(like), 1), generator=rng, device=like.device)


def _colour(images: Tensor, chosen: Tensor, rng: torch.Generator) -> Tensor:
    """Brightness ±0.5, saturation 0..2, contrast 0.5..1.5."""
    on = chosen.to(images.dtype)[:, None, None, None]
    images = images + on * (_uniform(images, rng) - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * (1 + on * (2 * _uniform(images, rng) - 1))
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (images - mean) * (1 + on * (_uniform(images, rng) - 0.5))


def _translate(images: Tensor, chosen: Tensor, rng: torch.Generator) -> Tensor:
    """Shift by up to an eighth of the side; what comes in is 0."""
    height, width = images.shape[-2:]
    tall, wide = max(1, round(height * _SHIFT)), max(1, round(width * _SHIFT))
    down = _whole(-tall, tall, images, rng) * chosen[:, None]
    right = _whole(-wide, wide, images, rng) * chosen[:, None]
    rows = torch.arange(height, device=images.device) - down + tall  # [N, H]
    columns = torch.arange(width, device=images.device) - right + wide
    padded = F.pad(images, (wide, wide, tall, tall)).permute(0, 2, 3, 1)
    sample = torch.arange(len(images), device=images.device)[:, None, None]
    return padded[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _cut_out(images: Tensor, chosen: Tensor, rng: torch.Generator) -> Tensor:
    """Set a square of half the side, centred anywhere, to 0."""
    height, width = images.shape[-2:]
    tall, wide = round(height * _CUT), round(width * _CUT)
    top, left = _whole(0, height, images, rng) - tall // 2, _whole(0, width, images, rng) - wide // 2
    rows, columns = (torch.arange(size, device=images.device)[None] for size in (height, width))
    across = (columns >= left) & (columns < left + wide)
    hole = ((rows >= top) & (rows < top + tall))[:, :, None] & across[:, None]
    return images * ~(hole & chosen[:, None, None])[:, None]
