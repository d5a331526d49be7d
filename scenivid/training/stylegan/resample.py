"""Affine warps without aliasing that can be differentiated twice, as R1 on augmented images needs.

As in Karras et al. 2020 (ADA, appendix B): enlarged twofold by the wavelet filter sym6, fetched bilinearly,
reduced by the same filter. The filter's even shifts are orthonormal, so that nothing moved means nothing
changed. Beyond its border an image goes on mirrored.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
    0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
    -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
"""Symlet of 12 taps: squares add up to 1, taps to √2."""
_BEFORE = 5
"""Taps before the largest, which is taken for the middle."""
_MARGIN = 6
"""Fine pixels that the reduction needs beyond each border; a multiple of 2."""


def warp_affine(images: Tensor, matrix: Tensor) -> Tensor:
    """Fetch each output pixel from where `matrix` points.

    Args:
        images: [N, C, H, W], float32.
        matrix: [N, 2, 3], from an output pixel (x, y, 1) to the input's, both from the middle of the image.
    """
    height, width = images.shape[-2:]
    fine = _enlarged(images)
    # The filter's weight lies on tap 5, so the fine pixel 2i shows what pixel i does.
    ys, xs = (
        (torch.arange(2 * size + 2 * _MARGIN, device=images.device) - _MARGIN + 1) / 2 - size / 2
        for size in (height, width)
    )
    rows, columns = torch.meshgrid(ys, xs, indexing="ij")
    points = torch.stack([columns, rows, torch.ones_like(rows)], -1).view(-1, 3)
    x, y = (points @ matrix.transpose(1, 2) - 0.25).unbind(2)
    grid = torch.stack([x / (width / 2), y / (height / 2)], 2).view(len(images), *rows.shape, 2)
    fetched: Tensor = _Fetch.apply(fine, grid)
    return _reduced(fetched)


def _enlarged(images: Tensor) -> Tensor:
    """[N, C, H, W] to [N, C, 2H, 2W], mirrored at the borders."""
    for dim in (2, 3):
        size = images.shape[dim]
        places = torch.arange(-3, size + 3, device=images.device)
        mirrored = torch.minimum(places, 2 * size - 1 - places)
        mirrored = torch.maximum(mirrored, -1 - mirrored)
        padded = images.index_select(dim, mirrored)
        weight = _filter(images, dim, 2**0.5)
        stride = (2, 1) if dim == 2 else (1, 2)
        spread = F.conv_transpose2d(padded, weight, stride=stride, groups=images.shape[1])
        images = spread.narrow(dim, 6 + _BEFORE, 2 * size)
    return images


def _reduced(fine: Tensor) -> Tensor:
    """[N, C, 2H + 12, 2W + 12] to [N, C, H, W]."""
    for dim in (2, 3):
        weight = _filter(fine, dim, 2**-0.5)
        size = fine.shape[dim] - 2 * _MARGIN
        kept = fine.narrow(dim, _MARGIN - _BEFORE, size + 10)
        stride = (2, 1) if dim == 2 else (1, 2)
        fine = F.conv2d(kept, weight, stride=stride, groups=fine.shape[1])
    return fine


def _filter(like: Tensor, dim: int, gain: float) -> Tensor:
    # Filled one by one: a copy from the host would wait for the device.
    taps = torch.stack([torch.full((), tap * gain, device=like.device) for tap in _SYM6])
    shape = (1, 1, -1, 1) if dim == 2 else (1, 1, 1, -1)
    return taps.view(shape).repeat(like.shape[1], 1, 1, 1)


class _Fetch(torch.autograd.Function):
    """grid_sample for a grid that needs no gradient: linear in the image, so its derivative is `_Spread`."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.size = image.shape
        return F.grid_sample(image, grid, padding_mode="reflection", align_corners=False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        spread: Tensor = _Spread.apply(gradients[0], grid, ctx.size)
        return spread, None


class _Spread(torch.autograd.Function):
    """The transpose of `_Fetch`, whose own derivative is `_Fetch` again: torch has no second one."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, grid: Tensor, size: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        image = gradient.new_zeros(size)
        bilinear, reflection = 0, 2
        spread: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            gradient, image, grid, bilinear, reflection, False, [True, False]
        )[0]
        return spread

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        fetched: Tensor = _Fetch.apply(gradients[0], grid)
        return fetched, None, None
