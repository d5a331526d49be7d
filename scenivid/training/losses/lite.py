"""What a lite network is asked for: the painting's pixels, edges, light and crispness, and to hold still."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MARGIN = 8
"""Pixels left out at a crop's edge: the painting knows what lies outside the crop, the network doesn't."""


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
        "colour": F.avg_pool2d(toned, 8).abs().mean(),
        "sharpness": (_steepness(output) - _steepness(target)).abs().mean(),
    }


def _steepness(image: Tensor) -> Tensor:
    """4 × 4 means of |∂x| + |∂y|."""
    across, down = image.diff(dim=-1).abs(), image.diff(dim=-2).abs()
    return F.avg_pool2d(across[..., :-1, :], 4) + F.avg_pool2d(down[..., :-1], 4)


def twin_difference(output: Tensor, shifts: tuple[tuple[int, int], ...]) -> Tensor:
    """Mean absolute difference between each twin and its original, where both see the same place.

    Args:
        output: [N + T, 3, C, C]; the last T are the twins of the first T (see `Batch`).
    """
    count, size = len(output) - len(shifts), output.shape[-1]
    terms = []
    for i, (dy, dx) in enumerate(shifts):
        margin = MARGIN
        first = output[i, :, max(dy, 0) + margin : size + min(dy, 0) - margin]
        second = output[count + i, :, max(-dy, 0) + margin : size + min(-dy, 0) - margin]
        first = first[..., max(dx, 0) + margin : size + min(dx, 0) - margin]
        second = second[..., max(-dx, 0) + margin : size + min(-dx, 0) - margin]
        terms.append((first - second).abs().mean())
    return torch.stack(terms).mean()


def inner(image: Tensor) -> Tensor:
    """[..., H, W] without the margin."""
    return image[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
