"""Moving test pictures whose motion is known."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def texture(height: int, width: int, seed: int = 0, grain: int = 6) -> Tensor:
    """A smooth random picture, [1, 3, H, W] in [0, 1]; `grain` is the size of its blobs in pixels."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // grain + 2, width // grain + 2, generator=generator)
    return F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False).clamp(0, 1)


def pan(count: int, height: int, width: int, step: int, seed: int = 0) -> Tensor:
    """A camera that moves `step` pixels to the right a frame: [count, 3, H, W].

    So the picture moves left, and the flow from each frame to the one before is (+step, 0).
    """
    scene = texture(height, width + step * count, seed)
    return torch.cat([scene[..., step * t : step * t + width] for t in range(count)])


def square(count: int, height: int, width: int, side: int, step: int) -> tuple[Tensor, Tensor]:
    """A bright textured square that moves right over a still dark background.

    Returns:
        Frames, [count, 3, H, W], and where the square is, bool [count, 1, H, W].
    """
    background, front = texture(height, width, 1) * 0.4, 0.6 + 0.4 * texture(side, side, 2)
    frames, masks = [], []
    top = (height - side) // 2
    for t in range(count):
        left = 4 + step * t
        frame, mask = background.clone(), torch.zeros(1, 1, height, width, dtype=torch.bool)
        frame[..., top : top + side, left : left + side] = front
        mask[..., top : top + side, left : left + side] = True
        frames.append(frame)
        masks.append(mask)
    return torch.cat(frames), torch.cat(masks)
