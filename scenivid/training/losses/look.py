"""How far pictures are from a look, whatever they show: distributions of colours and features, not places."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def sliced_wasserstein(points: Tensor, others: Tensor, directions: Tensor) -> Tensor:
    """Mean distance of equal ranks over random directions (Rabin et al. 2011).

    Args:
        points, others: [P, C] each.
        directions: [C, K], columns of length 1.
    """
    one, other = ((side.float() @ directions).sort(dim=0).values for side in (points, others))
    return (one - other).abs().mean()


def draw_directions(channels: int, count: int, random: torch.Generator, device: torch.device) -> Tensor:
    """Random directions, [C, K]."""
    return F.normalize(torch.randn(channels, count, generator=random), dim=0).to(device)


def draw_points(maps: Tensor, count: int, random: torch.Generator) -> Tensor:
    """`count` places of maps [N, C, H, W], with repeats where there are fewer: [count, C]."""
    flat = maps.permute(0, 2, 3, 1).flatten(0, 2)
    chosen = torch.randint(len(flat), (count,), generator=random).to(maps.device)
    return flat[chosen]


def moments(maps: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Mean and standard deviation of each channel of each map, over places and pictures: [C] each."""
    return [(one.float().mean((0, 2, 3)), one.float().std((0, 2, 3)) + 1e-4) for one in maps]


def statistics_loss(maps: Sequence[Tensor], wanted: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """L1 of means and of deviations, in the wanted deviations (Huang & Belongie 2017, their style loss)."""
    terms = [
        ((mean - aim).abs() / spread).mean() + ((deviation - spread).abs() / spread).mean()
        for (mean, deviation), (aim, spread) in zip(moments(maps), wanted, strict=True)
    ]
    return torch.stack(terms).mean()
