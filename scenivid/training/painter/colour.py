"""The painter's palette: Oklab, smooth tone, colour by hue. Every rule sees a pixel and its surroundings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.training.painter.filters import gaussian, guided, luma

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


@dataclass(frozen=True)
class Hue:
    """What happens to one range of hues."""

    centre: float
    """Hue in degrees of Oklab: red 29, orange 55, yellow 110, green 142, cyan 195, blue 264, magenta 328."""
    width: float
    """Degrees from the centre at which the effect has fallen to 1/e."""
    chroma: float = 0.0
    """Added to the chroma gain of 1."""
    shift: float = 0.0
    """Degrees added to the hue."""
    light: float = 0.0
    """Added to the lightness, in proportion to the chroma (1 at chroma 0.1)."""


@dataclass(frozen=True)
class Palette:
    """Tone and colour of a style."""

    lift: float
    """How far dark surroundings are lit, 0..1."""
    contrast: float
    """Gain of the detail around the large-scale light."""
    shoulder: float
    """How much mid tones are raised towards the light, 0..1."""
    chroma: float
    """Chroma gain of every hue, added to 1."""
    limit: float
    """Chroma that no colour is raised above (soft)."""
    keep: float
    """Share of its chroma that a vivid colour keeps, 0..1."""
    hues: tuple[Hue, ...]
    shadow: tuple[float, float]
    """Oklab (a, b) added in shadows of coloured surroundings."""
    light: tuple[float, float]
    """Oklab (a, b) added in lights of coloured surroundings."""
    bloom: float
    """Share of the glow around lights."""


def rgb_to_oklab(rgb: Tensor) -> Tensor:
    """sRGB in [0, 1] [N, 3, H, W] → (L, a, b)."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)
    return _mix(_mix(linear, _TO_LMS).clamp(min=0).pow(1 / 3), _TO_LAB)


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


def grade(rgb: Tensor, palette: Palette) -> Tensor:
    """Light, then colour. `rgb` [N, 3, H, W] in [0, 1] → same."""
    lab = rgb_to_oklab(rgb)
    lightness, a, b = lab[:, :1], lab[:, 1:2], lab[:, 2:]
    chroma = torch.sqrt(a * a + b * b + 1e-8)
    # A vivid colour made lighter would turn pale: it keeps more of its own lightness.
    vivid = _smooth(chroma, 0.1, 0.24)
    lightness = torch.lerp(_tone(lightness, palette), lightness, 0.7 * vivid)
    angle = torch.atan2(b, a)
    # Greys stay grey: the colour rules fade in with chroma.
    coloured = _smooth(chroma, 0.008, 0.05)
    gain = 1 + palette.chroma * coloured
    turn = torch.zeros_like(chroma)
    for hue in palette.hues:
        away = torch.remainder(angle - math.radians(hue.centre) + math.pi, 2 * math.pi) - math.pi
        near = torch.exp(-((away / math.radians(hue.width)) ** 2)) * coloured
        gain = gain + hue.chroma * near
        turn = turn + math.radians(hue.shift) * near
        lightness = lightness + hue.light * near * (chroma / 0.1).clamp(max=1.5) * _middle(lightness)
    # A colour far from grey has little room left: x → limit·tanh(x/limit), but hardly below what it was.
    tempered = palette.limit * torch.tanh(chroma * gain / palette.limit)
    chroma_out = torch.maximum(tempered, palette.keep * chroma)
    a, b = chroma_out * torch.cos(angle + turn), chroma_out * torch.sin(angle + turn)
    surroundings = _smooth(gaussian(chroma, 12), 0.015, 0.06)
    dark, bright = 1 - _smooth(lightness, 0.15, 0.55), _smooth(lightness, 0.7, 0.95)
    a = a + surroundings * (dark * palette.shadow[0] + bright * palette.light[0])
    b = b + surroundings * (dark * palette.shadow[1] + bright * palette.light[1])
    return _bloom(to_gamut(torch.cat([lightness, a, b], 1)), palette.bloom)


def _tone(lightness: Tensor, palette: Palette) -> Tensor:
    """Light the large scale by a smooth curve, keep the detail on top of it."""
    size = lightness.shape[-2:]
    small = F.interpolate(lightness, scale_factor=0.25, mode="bilinear", antialias=True)
    base = guided(small, small, 6, 0.01)
    base = F.interpolate(base, size=size, mode="bilinear", align_corners=False).clamp(0, 1)
    lit = base + palette.lift * base * (1 - base) ** 3 * 2 + palette.shoulder * base**2 * (1 - base) * 2
    detail = (lightness - base) * palette.contrast
    # Detail fades near black and white instead of being cut off there.
    room = torch.where(detail > 0, 1.02 - lit, lit).clamp(min=0.02)
    return (lit + room * torch.tanh(detail / room)).clamp(0, 1)


def _bloom(rgb: Tensor, amount: float) -> Tensor:
    """Light spills over: screen of the blurred brightest part."""
    bright = rgb * _smooth(luma(rgb), 0.78, 1.0)
    glow = 0.5 * gaussian(bright, 5) + 0.5 * gaussian(bright, 14)
    return 1 - (1 - rgb) * (1 - amount * glow)


def _smooth(value: Tensor, low: float, high: float) -> Tensor:
    """0 below `low`, 1 above `high`, smooth between."""
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _middle(lightness: Tensor) -> Tensor:
    """1 at mid grey, 0 at black and white."""
    return (4 * lightness * (1 - lightness)).clamp(min=0)


def _mix(image: Tensor, rows: tuple[tuple[float, ...], ...]) -> Tensor:
    matrix = torch.tensor(rows, dtype=image.dtype, device=image.device)
    return F.conv2d(image, matrix[:, :, None, None])


def _inverse(rows: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    inverse = torch.linalg.inv(torch.tensor(rows, dtype=torch.float64))
    return tuple(tuple(float(value) for value in row) for row in inverse)
