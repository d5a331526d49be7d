"""Palette and tone of pictures: statistics of their Oklab colours by light, distances, and maps between them.

Light is compared by rank (the darkest tenth with the darkest tenth), colour in three bands of rank that fade
into each other: shadows, middle tones, highlights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.oklab import rgb_to_oklab, to_gamut

LEVELS = 65
"""Lightnesses from 0 to 1 at which a `ToneMap` is given."""
_RANKS = 21
_BANDS = (1 / 6, 1 / 2, 5 / 6)
_SIDE = 160
"""Longer side, in pixels, of what is looked at."""
MOST_GAIN = 2.2
"""Contrast grows nowhere more than this."""
_LEAST_SLOPE = 0.2
"""Of the curve of light."""
_LEAST_GAIN = 0.4
"""Of colour."""
_GRAIN = 6e-5
"""Added to the variance of colour, so that grey pictures have one."""


@dataclass(frozen=True, eq=False)
class Palette:
    """Statistics of a picture, or of several."""

    light: Tensor
    """Lightness at `_RANKS` ranks from the darkest to the brightest, [R]."""
    colour: Tensor
    """Mean (a, b) of each band of light, [3, 2]."""
    spread: Tensor
    """Covariance of (a, b) in each, [3, 2, 2]."""


@dataclass(frozen=True, eq=False)
class ToneMap:
    """A smooth map of colours: L' = curve(L), (a, b)' = shift(L) + matrix(L) · (a, b)."""

    curve: Tensor
    """[LEVELS], never falling."""
    shift: Tensor
    """[LEVELS, 2]."""
    matrix: Tensor
    """[LEVELS, 2, 2]."""

    def toward(self, other: ToneMap, share: float) -> ToneMap:
        """A map between this one (0) and the other (1)."""
        names = [entry.name for entry in fields(self)]
        return ToneMap(*(torch.lerp(getattr(self, name), getattr(other, name), share) for name in names))

    def to(self, device: torch.device) -> ToneMap:
        """The same, on a device."""
        return ToneMap(*(getattr(self, entry.name).to(device) for entry in fields(self)))


def palette_of(images: Sequence[Tensor]) -> Palette:
    """The statistics of pictures taken together, each weighing the same.

    Args:
        images: sRGB in [0, 1], [1, 3, H, W] each.
    """
    lab = torch.cat([_colours(image) for image in images])
    order = lab[:, 0].argsort()
    lab = lab[order]
    rank = (torch.arange(len(lab), device=lab.device) + 0.5) / len(lab)
    ends = torch.linspace(0, len(lab) - 1, _RANKS, device=lab.device).round().long()
    weights = _bands(rank)
    total = weights.sum(0)[:, None]
    colour = weights.T @ lab[:, 1:] / total
    apart = lab[:, None, 1:] - colour
    spread = torch.einsum("pk,pki,pkj->kij", weights, apart, apart) / total[..., None]
    return Palette(lab[ends, 0], colour, spread)


def palette_distance(images: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    """How far the colours of some pictures lie from those of others: sliced Wasserstein distance in Oklab.

    Returns:
        Mean over 64 directions of the mean distance of equal ranks; Oklab units (black to white is 1).
    """
    directions = F.normalize(torch.randn(3, 64, generator=torch.Generator().manual_seed(0)), dim=0)
    ranks = torch.linspace(0.005, 0.995, 100)
    sides = []
    for side in (images, others):
        lab = torch.cat([_colours(image) for image in side]).float().cpu()
        if len(lab) > 100_000:
            lab = lab[:: len(lab) // 100_000 + 1]
        sides.append(torch.quantile(lab @ directions, ranks, dim=0))
    return float((sides[0] - sides[1]).abs().mean())


def identity_map(device: torch.device | str = "cpu") -> ToneMap:
    """The map that changes nothing."""
    levels = torch.linspace(0, 1, LEVELS, device=device)
    return ToneMap(
        levels,
        torch.zeros(LEVELS, 2, device=device),
        torch.eye(2, device=device).repeat(LEVELS, 1, 1),
    )


def map_between(source: Palette, target: Palette, gain: float = MOST_GAIN) -> ToneMap:
    """The map that brings colours of one palette to another: monotone in light, optimal transport of colour.

    Args:
        gain: contrast of light or colour grows nowhere more than this; means stay.
    """
    device = source.light.device
    levels = torch.linspace(0, 1, LEVELS, device=device)
    at = _interpolate(levels, _rising(source.light), torch.linspace(0, 1, _RANKS, device=device))
    curve = _curve(source.light, target.light.to(device), levels, gain)
    weights = _bands(at)
    matrices = torch.stack(
        [_transport(a, b, gain) for a, b in zip(source.spread, target.spread.to(device), strict=True)]
    )
    shifts = target.colour.to(device) - (matrices @ source.colour[..., None])[..., 0]
    matrix = torch.einsum("lk,kij->lij", weights, matrices)
    return ToneMap(curve, weights @ shifts, matrix)


def map_colours(rgb: Tensor, tone: ToneMap) -> Tensor:
    """Colours after a map, exactly.

    Args:
        rgb: sRGB in [0, 1], [N, 3, H, W].
    """
    lab = rgb_to_oklab(rgb)
    place = lab[:, 0].clamp(0, 1) * (LEVELS - 1)
    below = place.floor().clamp(max=LEVELS - 2).long()
    share = (place - below)[..., None]
    rows = torch.cat([tone.curve[:, None], tone.shift, tone.matrix.flatten(1)], 1)
    found = torch.lerp(rows[below], rows[below + 1], share)
    a, b = lab[:, 1], lab[:, 2]
    mapped = (
        found[..., 0],
        found[..., 1] + found[..., 3] * a + found[..., 4] * b,
        found[..., 2] + found[..., 5] * a + found[..., 6] * b,
    )
    return to_gamut(torch.stack(mapped, 1))


def _colours(image: Tensor) -> Tensor:
    """Oklab pixels of a small copy, [P, 3]."""
    scale = _SIDE / max(image.shape[-2:])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in image.shape[-2:]]
        image = F.interpolate(image.float(), size, mode="area")
    return rgb_to_oklab(image.float())[0].flatten(1).T


def _bands(rank: Tensor) -> Tensor:
    """How much each rank belongs to shadows, middle tones and highlights: [P] to [P, 3], rows sum to 1."""
    centres = torch.tensor(_BANDS, device=rank.device)
    near = (1 - (rank.clamp(_BANDS[0], _BANDS[-1])[:, None] - centres).abs() * 3).clamp(min=0)
    near = near * near * (3 - 2 * near)
    return near / near.sum(1, keepdim=True)


def _curve(source: Tensor, target: Tensor, levels: Tensor, gain: float) -> Tensor:
    """Light by rank, with slopes in bounds, smooth, and the target's mean."""
    rising = _rising(source)
    matched = _interpolate(levels, rising, target)
    slopes = (matched.diff() * (LEVELS - 1)).clamp(_LEAST_SLOPE, gain)
    inside = ((levels[1:] > source[0]) & (levels[:-1] < source[-1])).float()
    slopes = slopes * inside + min(gain, 1.0) * (1 - inside)  # there are no such colours
    slopes = F.avg_pool1d(F.pad(slopes[None, None], (6, 6), mode="replicate"), 13, 1)[0, 0]
    curve = F.pad(slopes.cumsum(0) / (LEVELS - 1), (1, 0))
    there = _interpolate(source, levels, curve)
    return _shoulder(curve + (target.mean() - there.mean()))


def _shoulder(curve: Tensor, knee: float = 0.06) -> Tensor:
    """Bend what would leave [0, 1] instead of cutting it off."""
    low = torch.where(curve < knee, knee * torch.exp((curve - knee) / knee), curve)
    return torch.where(low > 1 - knee, 1 - knee * torch.exp((1 - knee - low) / knee), low)


def _transport(source: Tensor, target: Tensor, gain: float) -> Tensor:
    """The linear map of least movement between two Gaussians (Monge–Kantorovich), with bounded gains."""
    grain = _GRAIN * torch.eye(2, device=source.device)
    source, target = source + grain, target + grain
    root = _power(source, 0.5)
    back = _power(source, -0.5)
    return _bounded(back @ _power(root @ target @ root, 0.5) @ back, gain)


def _power(matrix: Tensor, power: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix.double())
    result: Tensor = (vectors * values.clamp(min=1e-9) ** power) @ vectors.T
    return result.to(matrix.dtype)


def _bounded(matrix: Tensor, gain: float) -> Tensor:
    values, vectors = torch.linalg.eigh((0.5 * (matrix + matrix.T)).double())
    result: Tensor = (vectors * values.clamp(_LEAST_GAIN, gain)) @ vectors.T
    return result.to(matrix.dtype)


def _rising(values: Tensor) -> Tensor:
    """The same, made to rise strictly."""
    steps = torch.arange(len(values), device=values.device, dtype=values.dtype)
    return values.cummax(0).values + 1e-5 * steps


def _interpolate(x: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """Piecewise linear through (xs, ys), xs rising; the ends hold beyond them."""
    place = torch.searchsorted(xs.contiguous(), x.contiguous()).clamp(1, len(xs) - 1)
    share = ((x - xs[place - 1]) / (xs[place] - xs[place - 1])).clamp(0, 1)
    return torch.lerp(ys[place - 1], ys[place], share)
