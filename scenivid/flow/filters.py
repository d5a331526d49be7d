"""Small image filters that flow checks and temporal coherence share. Shapes are [N, C, H, W], float."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenivid.machine.lazy import functional as F
from scenivid.machine.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def luma(image: Tensor) -> Tensor:
    """Rec. 601 luma of RGB, [N, 1, H, W]."""
    red, green, blue = image.unbind(dim=1)
    return (0.299 * red + 0.587 * green + 0.114 * blue)[:, None]


def mean3(image: Tensor) -> Tensor:
    """Mean of each 3×3 neighbourhood, the border repeated; sums of views, since pooling is far slower."""
    wide = F.pad(image, (1, 1, 1, 1), mode="replicate")
    rows = wide[..., :-2, :] + wide[..., 1:-1, :] + wide[..., 2:, :]
    return (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) / 9


def range3(image: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest value of each 3×3 neighbourhood, the border repeated."""
    wide = F.pad(image, (1, 1, 1, 1), mode="replicate")
    bounds = []
    for pick in (torch.minimum, torch.maximum):
        rows = pick(pick(wide[..., :-2, :], wide[..., 1:-1, :]), wide[..., 2:, :])
        bounds.append(pick(pick(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:]))
    return bounds[0], bounds[1]


def gradient_square(field: Tensor) -> Tensor:
    """|∇|² summed over the channels, forward differences, 0 at the far border: [N, 1, H, W]."""
    dx = F.pad(field[..., :, 1:] - field[..., :, :-1], (0, 1, 0, 0))
    dy = F.pad(field[..., 1:, :] - field[..., :-1, :], (0, 0, 0, 1))
    return (dx.square() + dy.square()).sum(dim=1, keepdim=True)


def steepness(image: Tensor) -> Tensor:
    """|∂x| + |∂y| averaged over channels, forward differences, 0 at the far border: [N, 1, H, W]."""
    dx = F.pad((image[..., :, 1:] - image[..., :, :-1]).abs().mean(dim=1, keepdim=True), (0, 1, 0, 0))
    dy = F.pad((image[..., 1:, :] - image[..., :-1, :]).abs().mean(dim=1, keepdim=True), (0, 0, 0, 1))
    return dx + dy


def slope(image: Tensor) -> Tensor:
    """Typical change from pixel to pixel, averaged over channels and 3×3 pixels: [N, 1, H, W]."""
    return mean3((gradient_square(image) / image.shape[1]).sqrt())


def average(image: Tensor, factor: int) -> Tensor:
    """Shrink by `factor` to means of areas; sides round up, so that nothing vanishes."""
    height, width = image.shape[-2:]
    return F.interpolate(image, (-(-height // factor), -(-width // factor)), mode="area")


def enlarge(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Linear resampling to `size` (height, width)."""
    return F.interpolate(image, size, mode="bilinear", align_corners=False)


def detail(image: Tensor, factor: int) -> Tensor:
    """What an image holds beyond its means of areas `factor` pixels wide: its high frequencies."""
    size = (image.shape[-2], image.shape[-1])
    return image - enlarge(average(image, factor), size)
