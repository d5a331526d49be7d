"""Oklab: a colour space where equal steps look alike and lightness is apart from colour."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Björn Ottosson 2020, "A perceptual color space for image processing".
_TO_LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def rgb_to_oklab(rgb: Tensor) -> Tensor:
    """sRGB in [0, 1] [N, 3, H, W] → (L, a, b)."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)
    return _mix(_mix(linear, _TO_LMS).clamp(min=1e-9).pow(1 / 3), _TO_LAB)


def oklab_to_rgb(lab: Tensor) -> Tensor:
    """(L, a, b) → sRGB; colours outside the gamut come out below 0 or above 1."""
    linear = _mix(_mix(lab, _inverse(_TO_LAB)) ** 3, _inverse(_TO_LMS))
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, curved)


def to_gamut(lab: Tensor) -> Tensor:
    """sRGB in [0, 1]: what lies outside is pulled towards its own grey, so that hue and light stay."""
    rgb = oklab_to_rgb(lab)
    grey = oklab_to_rgb(torch.cat([lab[:, :1].clamp(0, 1), torch.zeros_like(lab[:, 1:])], 1))
    above = ((1 - grey) / (rgb - grey).clamp(min=1e-6)).amin(1, keepdim=True)
    below = (grey / (grey - rgb).clamp(min=1e-6)).amin(1, keepdim=True)
    share = torch.minimum(above, below).clamp(0, 1)
    return (grey + (rgb - grey) * share).clamp(0, 1)


def _mix(image: Tensor, rows: tuple[tuple[float, ...], ...]) -> Tensor:
    matrix = torch.tensor(rows, dtype=image.dtype, device=image.device)
    return F.conv2d(image, matrix[:, :, None, None])


def _inverse(rows: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    inverse = torch.linalg.inv(torch.tensor(rows, dtype=torch.float64))
    return tuple(tuple(float(value) for value in row) for row in inverse)
