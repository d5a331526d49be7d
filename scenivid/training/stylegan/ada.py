"""Adaptive discriminator augmentation (Karras et al. 2020, "Training GANs with Limited Data").

The augmentations are those that the paper trains with (its figure 4, "bgc"): pixel blitting, geometry and
colour, in the order and with the distributions of its appendix B. Each is laid on an image with probability
p, on real and generated ones alike, and p follows how surely the discriminator knows its training images.
Everything is drawn on the images' device, no value is asked for, and R1 can differentiate through it twice.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from scenivid.training.stylegan.resample import warp_affine

_REACH = 1 / 8
"""Largest whole-pixel shift and standard deviation of a fractional one, as shares of the side."""
_SCALE = 0.2
"""Standard deviation of log₂ of the sizes; of the brightness."""
_CONTRAST = 0.5
"""Standard deviation of log₂ of the contrast; of the saturation it is 1."""


class AdaptiveProbability(nn.Module):
    """p of ADA: rises while the discriminator tells real from fake too surely, falls otherwise.

    r = mean sign(D(real)) over `interval` batches is held at `target`; p moves by batch·interval/images.
    """

    value: Tensor
    signs: Tensor
    seen: Tensor

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor(float(start), dtype=torch.float64))
        self.register_buffer("signs", torch.tensor(0.0, dtype=torch.float64))
        self.register_buffer("seen", torch.tensor(0, dtype=torch.int64))

    @torch.no_grad()
    def update(self, sign: Tensor, count: int, target: float, images: int, interval: int = 4) -> None:
        """Take in what the discriminator said of one batch of real images; waits for no device.

        Args:
            sign: mean of sign(D(real)) over the batch, a scalar.
            count: images in the batch.
            target: r to hold, 0.6 in the paper.
            images: how many images p takes from 0 to 1; 500,000 in the paper.
            interval: batches between two moves of p.
        """
        self.signs += count * sign.double()
        self.seen += count
        due = self.seen >= interval * count
        up = torch.where(self.signs / self.seen > target, 1.0, -1.0)
        moved = (self.value + up * self.seen / images).clamp(0, 1)
        self.value.copy_(torch.where(due, moved, self.value))
        self.signs.mul_(~due)
        self.seen.mul_(~due)


def augment(images: Tensor, probability: Tensor, rng: torch.Generator) -> Tensor:
    """Blitting, geometry and colour, each image on its own; gradients flow through, also twice.

    Args:
        images: [N, 3, H, W] in [-1, 1], H = W.
        probability: p, a scalar on the images' device.
        rng: generator of that device; every draw comes from it.
    """
    draws = _Draws(len(images), probability.float(), rng, images.device)
    with torch.autocast(images.device.type, enabled=False):
        moved = warp_affine(images.float(), _geometry(draws, images.shape[-1]))
        colour = _colour(draws)
        return torch.einsum("nij,njhw->nihw", colour[:, :3, :3], moved) + colour[:, :3, 3, None, None]


class _Draws:
    """Random numbers, one an image."""

    def __init__(self, count: int, p: Tensor, rng: torch.Generator, device: torch.device) -> None:
        self.count, self.p, self.rng, self.device = count, p, rng, device

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(self.count, generator=self.rng, device=self.device)

    def normal(self, deviation: float) -> Tensor:
        return deviation * torch.randn(self.count, generator=self.rng, device=self.device)

    def chosen(self, value: Tensor, neutral: float, p: Tensor | None = None) -> Tensor:
        """`value` with probability p, else `neutral`."""
        return torch.where(self.uniform() < (self.p if p is None else p), value, neutral)


def _geometry(draws: _Draws, side: int) -> Tensor:
    """[N, 2, 3]: from pixels of the output to pixels of the input, both measured from the middle."""
    matrix = torch.eye(3, device=draws.device).expand(draws.count, 3, 3)
    flip = draws.chosen((draws.uniform() * 2).floor(), 0)
    matrix = matrix @ _scaled(1 - 2 * flip, torch.ones_like(flip))
    quarters = draws.chosen((draws.uniform() * 4).floor(), 0)
    matrix = matrix @ _turned(quarters * math.pi / 2)
    whole = [draws.uniform(-_REACH, _REACH) for _ in range(2)]
    kept = draws.chosen(torch.ones_like(flip), 0)
    matrix = matrix @ _shifted(*((share * kept * side).round() for share in whole))
    size = draws.chosen(torch.exp2(draws.normal(_SCALE)), 1)
    matrix = matrix @ _scaled(size, size)
    once = 1 - (1 - draws.p).sqrt()  # two turns, so that one of them happens with probability p
    matrix = matrix @ _turned(draws.chosen(draws.uniform(-math.pi, math.pi), 0, once))
    stretch = draws.chosen(torch.exp2(draws.normal(_SCALE)), 1)
    matrix = matrix @ _scaled(stretch, 1 / stretch)
    matrix = matrix @ _turned(draws.chosen(draws.uniform(-math.pi, math.pi), 0, once))
    part = [draws.normal(_REACH) for _ in range(2)]
    kept = draws.chosen(torch.ones_like(flip), 0)
    matrix = matrix @ _shifted(*(share * kept * side for share in part))
    return matrix[:, :2]


def _colour(draws: _Draws) -> Tensor:
    """[N, 4, 4] on homogeneous RGB: brightness, contrast, luma flip, hue, saturation."""
    count, device = draws.count, draws.device
    one = torch.eye(4, device=device)
    grey = one[:3].sum(0) / math.sqrt(3)
    luma = torch.outer(grey, grey)
    matrix = one.expand(count, 4, 4).clone()
    matrix[:, :3, 3] = draws.chosen(draws.normal(_SCALE), 0)[:, None]
    contrast = draws.chosen(torch.exp2(draws.normal(_CONTRAST)), 1)
    matrix = torch.diag_embed(torch.stack([contrast] * 3 + [torch.ones_like(contrast)], 1)) @ matrix
    flip = draws.chosen((draws.uniform() * 2).floor(), 0)
    matrix = (one - 2 * luma * flip[:, None, None]) @ matrix
    matrix = _hue(draws.chosen(draws.uniform(-math.pi, math.pi), 0)) @ matrix
    saturation = draws.chosen(torch.exp2(draws.normal(1.0)), 1)[:, None, None]
    return (luma + (one - luma) * saturation) @ matrix


def _hue(angle: Tensor) -> Tensor:
    """[N, 4, 4]: turn about the grey axis (Rodrigues); the homogeneous coordinate stays."""
    axis = torch.ones(3, device=angle.device) / math.sqrt(3)
    cross = torch.linalg.cross(torch.eye(3, device=angle.device), axis.expand(3, 3)).T
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    turn = cos * torch.eye(3, device=angle.device) + sin * cross + (1 - cos) * torch.outer(axis, axis)
    matrix = torch.eye(4, device=angle.device).repeat(len(angle), 1, 1)
    matrix[:, :3, :3] = turn
    return matrix


def _rows(*entries: Tensor) -> Tensor:
    """The upper two rows of [N, 3, 3] from six [N]."""
    last = torch.eye(3, device=entries[0].device)[2].expand(len(entries[0]), 1, 3)
    return torch.cat([torch.stack(entries, 1).view(-1, 2, 3), last], 1)


def _scaled(x: Tensor, y: Tensor) -> Tensor:
    """Enlarges the picture by x and y, so that the output looks up nearer points."""
    zero = torch.zeros_like(x)
    return _rows(1 / x, zero, zero, zero, 1 / y, zero)


def _turned(angle: Tensor) -> Tensor:
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _rows(cos, sin, zero, -sin, cos, zero)


def _shifted(x: Tensor, y: Tensor) -> Tensor:
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return _rows(one, zero, -x, zero, one, -y)
