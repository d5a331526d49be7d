"""What a lite network is asked for: the painting's pixels, edges, light and crispness, and its lines."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

MARGIN = 8
"""Pixels left out at a crop's edge: the painting knows what lies outside the crop, the network doesn't."""
_LINES = 4.0
"""How much more the middle of a line counts than where there is none: lines are few."""


def reconstruction(output: Tensor, target: Tensor, vivid: float = 0.0) -> dict[str, Tensor]:
    """L1 at three levels (pixels, edges, regions) and of the local sharpness. Both [N, 3, H, W].

    Args:
        vivid: see `Recipe.vivid`.
    """
    error = output - target
    laplacian = (
        4 * error[..., 1:-1, 1:-1]
        - error[..., :-2, 1:-1]
        - error[..., 2:, 1:-1]
        - error[..., 1:-1, :-2]
        - error[..., 1:-1, 2:]
    )
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean() + 0.25 * laplacian.abs().mean()
    toned = error * (1 + vivid * (target.amax(1, keepdim=True) - target.amin(1, keepdim=True)))
    return {
        "pixel": toned.abs().mean(),
        "edges": edges,
        "colour": _means(toned, 8).abs().mean(),
        "sharpness": (_steepness(output) - _steepness(target)).abs().mean(),
    }


def lines(output: Tensor, target: Tensor) -> dict[str, Tensor]:
    """L1 and squares of the line field, more where there is a line, with its slopes; and its amount around.

    Squares first draw where L1 alone would leave out what is rarer than its absence; the amount keeps lines
    whose course is unsure from fading to a faint mean. Both [N, 1, H, W].
    """
    error = output - target
    slopes = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return {
        "line": ((error.abs() + 2 * error**2) * (1 + _LINES * target)).mean() + slopes,
        "line_amount": _means(output.clamp(0, 1) ** 2 - target**2, 8).abs().mean(),
    }


def _steepness(image: Tensor) -> Tensor:
    """4 × 4 means of |∂x| + |∂y|."""
    across, down = image.diff(dim=-1).abs(), image.diff(dim=-2).abs()
    return _means(across[..., :-1, :], 4) + _means(down[..., :-1], 4)


def _means(image: Tensor, side: int) -> Tensor:
    """Means of side × side squares; what doesn't fill one is left out. Two matrix products: on CPUs several
    times as fast, there and back, as pooling."""
    rows, columns = (_pool(length, side, image.dtype, image.device) for length in image.shape[-2:])
    return rows.T @ image @ columns


@lru_cache
def _pool(length: int, side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[length, length // side]: column i takes the mean of `side` entries. Kept on the device: no copies."""
    count = length // side
    pool = torch.zeros(length, count)
    pool[: count * side] = torch.eye(count).repeat_interleave(side, 0) / side
    return pool.to(device, dtype)


def inner(image: Tensor) -> Tensor:
    """[..., H, W] without the margin."""
    return image[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
