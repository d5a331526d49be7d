"""A fixed flat brush for networks: a Kuwahara filter of eight round brushes, made at half the size.

Each brush is a Gaussian set off from the pixel (cf. Papari et al. 2007), and the calmest ones win: texture
becomes flat dabs, edges stay. Half the size is enough, since a network takes edges from the image itself.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_HARDNESS, _EVEN = 1.5, 40000.0
"""Weight of a brush over which the variance is v: (1 + EVEN · v) ^ −HARDNESS."""


def dabbed(x: Tensor, radius: int) -> Tensor:
    """Args:
        x: [N, C, H, W] in [0, 1], float32; H and W even.
        radius: of a brush, in pixels.

    Returns:
        The same size and range.
    """
    small = F.avg_pool2d(x, 2)
    mean = _blur(small, radius)
    variance = _blur((small - mean).square().sum(1, keepdim=True), radius)
    calm = (1 + _EVEN * variance) ** -_HARDNESS
    offset, height, width = _offset(radius), *small.shape[-2:]
    padded = F.pad(torch.cat([mean * calm, calm], 1), (offset,) * 4, mode="replicate")
    turns = [
        (round(offset * math.sin(t * math.pi / 4)), round(offset * math.cos(t * math.pi / 4)))
        for t in range(8)
    ]
    total = torch.stack(
        [
            padded[..., offset + dy : offset + dy + height, offset + dx : offset + dx + width]
            for dy, dx in turns
        ]
    ).sum(0)
    flat = total[:, :-1] / total[:, -1:].clamp(min=1e-6)
    return F.interpolate(flat, scale_factor=2, mode="bilinear", align_corners=False)


def dab_reach(radius: int) -> int:
    """Farthest pixel, in rows or columns, that one of `dabbed` depends on (at most)."""
    return 2 * (2 * _taps(radius) + _offset(radius) + 1) + 1


def _sigma(radius: int) -> float:
    return 0.21 * radius


def _offset(radius: int) -> int:
    return max(1, round(0.31 * radius))


def _taps(radius: int) -> int:
    return max(1, math.ceil(2 * _sigma(radius)))


def _blur(x: Tensor, radius: int) -> Tensor:
    taps, channels = _taps(radius), x.shape[1]
    offsets = torch.arange(-taps, taps + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (offsets / _sigma(radius)) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(x, (taps,) * 4, mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(rows, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
