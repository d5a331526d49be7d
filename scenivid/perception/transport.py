"""A map of colours by optimal transport: every colour of some pictures finds its place among others'.

What moves least, wins (entropic transport: Cuturi 2013; its map between samples: Pooladian et al. 2021).
Colours are points in Oklab, with their height in the picture as a weak fourth coordinate, so that what lies
above looks for what lies above. A palette of few inks gives few inks; skies and skin avoid leaf green.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.oklab import rgb_to_oklab, to_gamut

_SIDE = 160
"""Longer side, in pixels, of what is looked at."""
_POINTS = 1200
"""Colours of each side."""
_HEIGHT = 0.15
"""Distance from the bottom to the top of a picture, in Oklab units."""
_CELLS = 21
"""Along each side of the colour cube."""
_BLUR = (0.025, 0.05)
"""Bounds of how far colours mix, in Oklab: few inks, many shades."""
_INKS = 6
_STEPS = 12
"""Iterations at each of the blurs that lead to the last."""
_APART = 0.09
"""Squared distance that is added between a blue, or skin, and leaf green."""
_SKY, _SKIN, _LEAF = (-1.95, 0.9), (0.85, 0.5), (2.45, 0.8)
"""Hue in Oklab and half the width, in radians."""


@dataclass(frozen=True, eq=False)
class Transport:
    """Where every colour goes, at three heights."""

    cubes: Tensor
    """sRGB at evenly spaced colours, for the top, the middle and the bottom, [3, 3, B, G, R]."""

    def __call__(self, image: Tensor) -> Tensor:
        """Colours after the map, [N, 3, H, W] in [0, 1], whole pictures."""
        height, place = image.shape[-2], (image.clamp(0, 1) * 2 - 1).permute(0, 2, 3, 1)[:, None]
        down = torch.linspace(-1, 1, height, device=image.device)[:, None]
        shares = ((-down).clamp(min=0), 1 - down.abs(), down.clamp(min=0))
        made = torch.zeros_like(image)
        for cube, share in zip(self.cubes.to(image), shares, strict=True):
            wide = cube[None].expand(len(image), -1, -1, -1, -1)
            made += share * F.grid_sample(wide, place, padding_mode="border", align_corners=True)[:, :, 0]
        return made


def transport_between(source: Sequence[Tensor], target: Sequence[Tensor], seed: int = 0) -> Transport:
    """The map that brings the colours of some pictures to those of others, as a whole.

    Args:
        source, target: sRGB in [0, 1], [1, 3, H, W] each; every picture weighs the same.
    """
    ours, theirs = _points(source, seed), _points(target, seed + 1)
    blur = min(max(0.8 * _spread(theirs[:, :3]), _BLUR[0]), _BLUR[1]) ** 2
    height = _potential(_costs(ours, theirs), blur)
    side = torch.linspace(0, 1, _CELLS)
    blue, green, red = torch.meshgrid(side, side, side, indexing="ij")
    colours = rgb_to_oklab(torch.stack([red, green, blue]).reshape(1, 3, 1, -1))[0, :, 0].T
    cubes = []
    for level in (-0.5, 0.0, 0.5):
        points = torch.cat([colours, torch.full((len(colours), 1), level * _HEIGHT)], 1)
        shares = torch.softmax((height - _costs(points, theirs)) / blur, 1)
        mapped = to_gamut((shares @ theirs[:, :3]).T[None, :, None])[0, :, 0]
        cubes.append(mapped.reshape(3, _CELLS, _CELLS, _CELLS))
    return Transport(torch.stack(cubes))


def _points(images: Sequence[Tensor], seed: int) -> Tensor:
    """Some colours of pictures with their heights, [P, 4]."""
    random, found = torch.Generator().manual_seed(seed), []
    for image in images:
        scale = _SIDE / max(image.shape[-2:])
        if scale < 1:
            size = [max(1, round(side * scale)) for side in image.shape[-2:]]
            image = F.interpolate(image.float(), size, mode="area")
        lab = rgb_to_oklab(image.float().clamp(0, 1))[0].cpu()
        down = torch.linspace(-0.5, 0.5, lab.shape[1])[:, None].expand(lab.shape[1:]) * _HEIGHT
        flat = torch.cat([lab, down[None]]).flatten(1).T
        count = -(-_POINTS // len(images))
        found.append(flat[torch.randint(len(flat), (count,), generator=random)])
    return torch.cat(found)


def _costs(ours: Tensor, theirs: Tensor) -> Tensor:
    """Squared distances, with more between what shouldn't meet, [P, Q]."""
    guarded = (_like(ours, *_SKY) + _like(ours, *_SKIN)).clamp(max=1)
    return torch.cdist(ours, theirs).square() + _APART * guarded[:, None] * _like(theirs, *_LEAF)


def _like(points: Tensor, hue: float, width: float) -> Tensor:
    """How much colours are of a hue, 0..1."""
    a, b = points[:, 1], points[:, 2]
    apart = torch.atan2(b, a) - hue
    apart = torch.atan2(apart.sin(), apart.cos()).abs()
    return (2 - 2 * apart / width).clamp(0, 1) * (torch.hypot(a, b) / 0.05).clamp(0, 1)


def _potential(costs: Tensor, blur: float) -> Tensor:
    """The height of each target at which all are used alike (Sinkhorn's iterations, in logarithms), [Q]."""
    ours, theirs = (math.log(side) for side in costs.shape)
    height = torch.zeros(costs.shape[1])
    for wide in (64, 16, 4, 1):
        now = wide * blur
        for _ in range(_STEPS):
            own = -now * (torch.logsumexp((height - costs) / now, 1) - theirs)
            height = -now * (torch.logsumexp((own[:, None] - costs) / now, 0) - ours)
    return height


def _spread(colours: Tensor) -> float:
    """Mean distance of colours from the nearest of a few inks (Lloyd's algorithm)."""
    inks = colours[:: max(1, len(colours) // _INKS)][:_INKS].clone()
    for _ in range(8):
        nearest = torch.cdist(colours, inks).argmin(1)
        for number in range(len(inks)):
            if bool((nearest == number).any()):
                inks[number] = colours[nearest == number].mean(0)
    return float(torch.cdist(colours, inks).amin(1).mean())
