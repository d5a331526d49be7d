"""What the painter asks of Oklab colours: how far from grey, and of which hue."""

from __future__ import annotations

import torch
from torch import Tensor

from scenivid.oklab import oklab_to_rgb, rgb_to_oklab, to_gamut

__all__ = ["chroma", "hue", "near", "oklab_to_rgb", "rgb_to_oklab", "to_gamut"]


def chroma(lab: Tensor) -> Tensor:
    """Distance from grey, [N, 1, H, W]."""
    return (lab[:, 1:].square().sum(1, keepdim=True) + 1e-9).sqrt()


def hue(lab: Tensor) -> Tensor:
    """Degrees: red 29, skin 55, yellow 110, green 142, cyan 195, blue 264, magenta 328; [N, 1, H, W]."""
    return torch.rad2deg(torch.atan2(lab[:, 2:], lab[:, 1:2]))


def near(degrees: Tensor, centre: float, width: float, power: int = 2) -> Tensor:
    """1 at `centre`, 1/e at `width` degrees from it; a higher (even) power makes a flatter top."""
    away = torch.remainder(degrees - centre + 180, 360) - 180
    return torch.exp(-((away / width) ** power))
