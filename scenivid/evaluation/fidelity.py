"""Fidelity guards: a blurred or frozen video wins every flicker metric, so these are printed beside it.

All images are float RGB in [0, 1], [N, 3, H, W].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenivid.flow.filters import detail, luma

PSNR_CAP_DB = 100.0
"""PSNR of identical frames: infinity is neither a mean nor JSON."""
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


@dataclass(frozen=True)
class Gradients:
    """Sums over the gradients (forward differences, all channels) of matching frames."""

    source: float = 0.0
    """Σ∇s·∇s."""
    product: float = 0.0
    """Σ∇s·∇o."""

    def __add__(self, other: Gradients) -> Gradients:
        return Gradients(self.source + other.source, self.product + other.product)

    @property
    def gain(self) -> float:
        """Contrast gain over the source: the g that minimises Σ(∇o − g·∇s)². 0 where the source is flat.

        Noise that the source doesn't have leaves it alone, unlike a ratio of standard deviations.
        """
        return self.product / self.source if self.source > 0 else 0.0


def gradients(frames: Tensor) -> list[Gradients]:
    """Sums of each of V frames, [V, 3, H, W]; the first frame is the source."""
    products = torch.zeros(len(frames), dtype=torch.float64)
    for axis in (2, 3):
        slope = frames.diff(dim=axis).flatten(1)
        products += (slope @ slope[0]).double().cpu()
    source = float(products[0])
    return [Gradients(source, product) for product in products.tolist()]


def sharpness(image: Tensor) -> Tensor:
    """Mean absolute gradient of luma (|∂x| + |∂y|, forward differences), [N]."""
    grey = luma(image)
    return grey.diff(dim=3).abs().mean(dim=(1, 2, 3)) + grey.diff(dim=2).abs().mean(dim=(1, 2, 3))


def fine_energy(image: Tensor) -> Tensor:
    """High-frequency energy: mean square of what luma holds beyond the means of 4×4 pixels, [N].

    Its root against that of the noise-free network says how much detail is kept; against a network that
    flickers, noise counts as detail.
    """
    return detail(luma(image), 4).square().mean(dim=(1, 2, 3))


def psnr(first: Tensor, second: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB over RGB, [N], at most `PSNR_CAP_DB`."""
    error = (first - second).square().mean(dim=(1, 2, 3))
    return (-10 * torch.log10(error.clamp(min=10 ** (-PSNR_CAP_DB / 10)))).clamp(max=PSNR_CAP_DB)


def ssim_luma(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity of luma, [N] (Wang et al. 2004: Gaussian window 11, σ 1.5, K 0.01 and 0.03).

    `first` may be one image for all of `second`.

    Only windows that lie inside the image count; H and W of at least 11.
    """
    x, y = luma(first), luma(second)
    (mx, xx), (my, yy), xy = _blur(torch.stack([x, x * x])), _blur(torch.stack([y, y * y])), _blur(x * y)
    vx, vy, cov = xx - mx * mx, yy - my * my, xy - mx * my
    score: Tensor = ((2 * mx * my + _C1) * (2 * cov + _C2)) / ((mx * mx + my * my + _C1) * (vx + vy + _C2))
    return score.mean(dim=(1, 2, 3))


def _blur(image: Tensor) -> Tensor:
    """Gaussian window, valid part only: a sum of shifted copies, faster than conv2d with so few channels."""
    offsets = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    window = torch.exp(-offsets.square() / (2 * _SIGMA**2))
    weights = (window / window.sum()).tolist()
    for axis in (-2, -1):
        length = image.shape[axis] - _WINDOW + 1
        blurred = image.narrow(axis, 0, length) * weights[0]
        for index, weight in enumerate(weights[1:], start=1):
            blurred.add_(image.narrow(axis, index, length), alpha=weight)
        image = blurred
    return image
