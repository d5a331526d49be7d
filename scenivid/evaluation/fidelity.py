"""Fidelity guards: a blurred or frozen video wins every flicker metric, so these are printed beside it.

All images are float RGB in [0, 1], [N, 3, H, W].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

PSNR_CAP_DB = 100.0
"""PSNR of identical frames: infinity is neither a mean nor JSON."""
_LUMA = (0.299, 0.587, 0.114)  # BT.601, as 8-bit image tools use for grey
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


@dataclass(frozen=True)
class Gradients:
    """Sums over the gradients of matching frames; adding them over a video gives its ratios."""

    source_square: float = 0.0
    """Σ∇s², all channels, forward differences."""
    source_other: float = 0.0
    """Σ∇s·∇o."""
    magnitude: float = 0.0
    """Σ|∇o| on luma."""

    def __add__(self, other: Gradients) -> Gradients:
        return Gradients(
            self.source_square + other.source_square,
            self.source_other + other.source_other,
            self.magnitude + other.magnitude,
        )

    @property
    def gain(self) -> float:
        """Contrast gain over the source: the g that minimises Σ(∇o − g·∇s)². 0 where the source is flat.

        Noise that the source doesn't have leaves it alone, unlike a ratio of standard deviations.
        """
        return self.source_other / self.source_square if self.source_square > 0 else 0.0


def gradients(source: Tensor, other: Tensor) -> Gradients:
    """Gradient sums of `other` and of its part that follows `source` (same shape)."""
    square = product = 0.0
    for axis in (2, 3):
        slope, result = source.diff(dim=axis), other.diff(dim=axis)
        square += float(slope.square().sum())
        product += float((slope * result).sum())
    grey = luma(other)
    magnitude = sum(float(grey.diff(dim=axis).abs().sum()) for axis in (2, 3))
    return Gradients(square, product, magnitude)


def luma(image: Tensor) -> Tensor:
    """Grey [N, 1, H, W]: 0.299 R + 0.587 G + 0.114 B."""
    weights = image.new_tensor(_LUMA).reshape(1, 3, 1, 1)
    return (image * weights).sum(dim=1, keepdim=True)


def sharpness(image: Tensor) -> Tensor:
    """Mean absolute gradient of luma (|∂x| + |∂y|, forward differences), [N]."""
    grey = luma(image)
    return grey.diff(dim=3).abs().mean(dim=(1, 2, 3)) + grey.diff(dim=2).abs().mean(dim=(1, 2, 3))


def psnr(first: Tensor, second: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB over RGB, [N], at most `PSNR_CAP_DB`."""
    error = (first - second).square().mean(dim=(1, 2, 3))
    return (-10 * torch.log10(error.clamp(min=10 ** (-PSNR_CAP_DB / 10)))).clamp(max=PSNR_CAP_DB)


def ssim_luma(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity of luma, [N] (Wang et al. 2004: Gaussian window 11, σ 1.5, K 0.01 and 0.03).

    Only windows that lie inside the image count; H and W of at least 11.
    """
    x, y = luma(first), luma(second)
    stack = _blur(torch.cat([x, y, x * x, y * y, x * y], dim=1))
    mx, my, xx, yy, xy = stack.unbind(dim=1)
    vx, vy, cov = xx - mx * mx, yy - my * my, xy - mx * my
    score = ((2 * mx * my + _C1) * (2 * cov + _C2)) / ((mx * mx + my * my + _C1) * (vx + vy + _C2))
    return score.mean(dim=(1, 2))


def _blur(image: Tensor) -> Tensor:
    offsets = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    window = torch.exp(-offsets.square() / (2 * _SIGMA**2))
    window = (window / window.sum()).to(image)
    n, c, h, w = image.shape
    flat = image.reshape(n * c, 1, h, w)
    rows = F.conv2d(flat, window.reshape(1, 1, 1, -1))
    return F.conv2d(rows, window.reshape(1, 1, -1, 1)).reshape(n, c, h - _WINDOW + 1, w - _WINDOW + 1)
