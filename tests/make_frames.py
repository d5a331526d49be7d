"""Small lossless folders of frames for the evaluation tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.pixels import to_pixels


def texture(height: int, width: int, seed: int = 0) -> Tensor:
    """A smooth random picture with some detail, [1, 3, H, W] in 0.1..0.9."""
    generator = torch.Generator().manual_seed(seed)
    picture = torch.zeros(1, 3, height, width)
    for cell in (4, 8, 16):
        coarse = torch.rand(1, 3, height // cell + 2, width // cell + 2, generator=generator)
        picture += F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    return (picture / 3).clamp(0.1, 0.9)


def panning(frames: int, height: int = 48, width: int = 64, step: int = 1, seed: int = 0) -> Tensor:
    """A camera moving right over `texture`, `step` whole pixels a frame, [T, 3, H, W]."""
    wide = texture(height, width + step * frames, seed)
    return torch.cat([wide[..., step * t : step * t + width] for t in range(frames)])


def save(folder: Path, frames: Tensor) -> Path:
    """Write [T, 3, H, W] in [0, 1] as 16-bit PNG files (rounding must not hide small effects)."""
    folder.mkdir(parents=True)
    for index, frame in enumerate(to_pixels(frames, torch.uint16).permute(0, 2, 3, 1)):
        bgr = np.ascontiguousarray(frame.numpy()[..., ::-1])
        assert cv2.imwrite(str(folder / f"{index:03d}.png"), bgr)
    return folder
