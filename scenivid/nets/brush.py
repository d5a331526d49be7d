"""A fixed flat brush for networks: a Kuwahara filter of eight round brushes, made at half the size.

Each brush is a Gaussian set off from the pixel (cf. Papari et al. 2007), and the calmest ones win: texture
becomes flat dabs, edges stay. Half the size is enough, since a network takes edges from the image itself.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scenivid.machine.lazy import functional as F
from scenivid.machine.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

HARDNESS, EVEN = 1.5, 40000.0
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
    away = small - mean
    variance = _blur((away * away).sum(1, keepdim=True), radius)
    even = 1 / (1 + EVEN * variance)
    calm = even * even.sqrt()  # to the power of HARDNESS; powers are slow in OpenVINO
    offset, height, width = offset_of(radius), *small.shape[-2:]
    padded = F.pad(torch.cat([mean * calm, calm], 1), (offset,) * 4, mode="replicate")
    turns = places_of(radius)
    total = torch.stack(
        [
            padded[..., offset + dy : offset + dy + height, offset + dx : offset + dx + width]
            for dy, dx in turns
        ]
    ).sum(0)
    # With four channels, the last in memory, torch's doubling gives the same bits for any number of threads.
    flat = (total / total[:, -1:].clamp(min=1e-6)).contiguous(memory_format=torch.channels_last)
    return F.interpolate(flat, scale_factor=2, mode="bilinear", align_corners=False)[:, :-1]


def places_of(radius: int) -> list[tuple[int, int]]:
    """Where the eight brushes of a pixel lie, (dy, dx), in pixels of the half-size picture."""
    offset = offset_of(radius)
    angles = [turn * math.pi / 4 for turn in range(8)]
    return [(round(offset * math.sin(angle)), round(offset * math.cos(angle))) for angle in angles]


def dab_reach(radius: int) -> int:
    """Farthest pixel, in rows or columns, that one of `dabbed` depends on (at most)."""
    return 2 * (2 * taps_of(radius) + offset_of(radius) + 1) + 1


def sigma(radius: int) -> float:
    """Of a brush, in pixels of the half-size picture."""
    return 0.21 * radius


def offset_of(radius: int) -> int:
    """How far a brush lies from its pixel, the same way."""
    return max(1, round(0.31 * radius))


def taps_of(radius: int) -> int:
    """Half the width of a brush's kernel, without its middle."""
    return max(1, math.ceil(2 * sigma(radius)))


def _blur(x: Tensor, radius: int) -> Tensor:
    taps, channels = taps_of(radius), x.shape[1]
    bells = [math.exp(-0.5 * (offset / sigma(radius)) ** 2) for offset in range(-taps, taps + 1)]
    kernel = torch.tensor([bell / sum(bells) for bell in bells], dtype=x.dtype, device=x.device)
    padded = F.pad(x, (taps,) * 4, mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(rows, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
