"""Grading: shadows opened, hues of paint, cool shadows and warm lights, glow."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.training.painter.filters import gaussian, rise
from scenivid.training.painter.looks import Look
from scenivid.training.painter.oklab import chroma, hue, near, to_gamut


def grade(lab: Tensor, look: Look, k: float) -> Tensor:
    """Light, then colour. Oklab → sRGB in [0, 1], [N, 3, H, W].

    Args:
        k: size of the painting relative to a short side of 540.
    """
    c, h = chroma(lab), hue(lab)
    rich = rise(c, 0.012, 0.05)  # greys stay grey
    green, azure = near(h, 122, 28) * rich, near(h, 250, 34) * rich
    skin = near(h, 58, 26) * rich * (1 - rise(c, 0.10, 0.15))
    # A vivid colour made lighter would turn pale: it keeps more of its own lightness.
    light = torch.lerp(_light(lab[:, :1], azure, look, k), lab[:, :1], 0.7 * rise(c, 0.1, 0.2))
    gain = 1 + (look.chroma - 1) * rich + look.hues * (0.22 * green + 0.4 * azure)
    gain = gain + look.vivid * rich * (1 - rise(c, 0.05, 0.13))
    # Near black there is hardly a colour to raise: what is raised there glows like a lamp.
    gain = 1 + (gain - 1) * (0.2 + 0.8 * rise(lab[:, :1], 0.12, 0.4))
    # c → limit·tanh(c·gain / limit), but hardly below what it was.
    gain = gain * (light.clamp(min=0.05) / lab[:, :1].clamp(min=0.05)).clamp(1, 1.6) ** 0.7
    richer = torch.maximum(look.limit * torch.tanh(c * gain / look.limit), 0.88 * c)
    richer = richer + 0.6 * skin * (c - richer)
    turn = (
        6 * green
        + 10 * near(h, 106, 13) * rich
        - 0.25 * (h - 52) * skin
        - 8 * azure * rise(h.remainder(360), 250, 285)
    )
    angle = torch.deg2rad(h + look.hues * turn)
    light = light + look.hues * green * 0.05 * (4 * light * (1 - light)).clamp(min=0)
    a, b = richer * angle.cos(), richer * angle.sin()
    tint = 0.25 + 0.75 * rise(gaussian(c, 8.0 * k), 0.012, 0.05)
    dark, bright = tint * (1 - rise(light, 0.2, 0.6)), tint * rise(light, 0.65, 0.95)
    bright = bright * (1 - rise(-b, 0.0, 0.04))
    a = a + dark * look.shadow[0] + bright * look.light[0]
    b = b + dark * look.shadow[1] + bright * look.light[1]
    rgb = to_gamut(torch.cat([light.clamp(0, 1), a, b], 1))
    if look.glow:
        spill = rgb * rise(light, 0.8, 1.0)
        spill = 0.5 * gaussian(spill, 5.0 * k) + 0.5 * gaussian(spill, 14.0 * k)
        rgb = 1 - (1 - rgb) * (1 - look.glow * spill)
    return rgb


def _light(light: Tensor, azure: Tensor, look: Look, k: float) -> Tensor:
    """Open the shadows of the large scale and keep the drawing on it."""
    base = _regions(light, k)
    lit = base + look.lift * 2 * base * (1 - base) ** 3
    lit = lit + look.air * 2 * base**2 * (1 - base) * (1 - azure)
    detail = (light - base) * look.contrast
    # Detail fades near black and white instead of being cut off there.
    room = torch.where(detail > 0, 1.02 - lit, lit).clamp(min=0.02)
    return lit + room * torch.tanh(detail / room)


def _regions(light: Tensor, k: float) -> Tensor:
    """The light of regions, without halos: a guided filter (He et al. 2010) at a quarter of the size."""
    height, width = light.shape[-2:]
    padded = F.pad(light, (0, -width % 4, 0, -height % 4), mode="replicate")
    small = F.avg_pool2d(padded, 4)
    mean, square = gaussian(torch.cat([small, small * small], 1), 4.0 * k).chunk(2, 1)
    variance = (square - mean * mean).clamp(min=0)
    share = variance / (variance + 0.01)
    line = gaussian(torch.cat([share, mean * (1 - share)], 1), 3.0 * k)
    line = F.interpolate(line, size=padded.shape[-2:], mode="bilinear", align_corners=False)
    line = line[..., :height, :width]
    return (line[:, :1] * light.clamp(0, 1) + line[:, 1:]).clamp(0, 1)
