"""Skies: clean gradients in the blue, clouds lit above and lavender in their shade, tone in an overcast."""

from __future__ import annotations

import torch
from torch import Tensor

from scenivid.training.painter.filters import gaussian, rise
from scenivid.training.painter.oklab import chroma, hue, near
from scenivid.training.painter.scene import Scene, spread


def paint_sky(flat: Tensor, scene: Scene, amount: float) -> tuple[Tensor, Tensor]:
    """Args:
        flat: Oklab, [N, 3, H, W].
        amount: 0 leaves it, 1 repaints.

    Returns:
        The same with the sky repainted, and where only few lines may stay, [N, 1, H, W].
    """
    k, sky, calm = scene.k, scene.sky, scene.calm
    near_sky = gaussian(calm, 1.5 * k)
    light, colour = near_sky[:, :1], chroma(near_sky)
    busy = gaussian(scene.fine, 4.0 * k)
    wide = gaussian(torch.cat([sky, sky * near_sky], 1), 18.0 * k)
    zone, mean = rise(wide[:, :1], 0.06, 0.3), wide[:, 1:] / (wide[:, :1] + 1e-3)
    fine = gaussian(torch.cat([sky, sky * flat], 1), 5.0 * k)
    smooth = fine[:, 1:] / (fine[:, :1] + 1e-3)
    flat = flat + amount * sky * rise(fine[:, :1], 0.3, 0.8) * (smooth - flat)
    # Share of cloud: how far a pixel has left the blue around it.
    along = (near_sky[:, 1:] * mean[:, 1:]).sum(1, keepdim=True)
    cloud = (1 - along / chroma(mean).clamp(min=0.02) ** 2).clamp(0, 1)
    quiet = 1 - rise(busy, 0.05, 0.13)
    pale = zone * rise(light - mean[:, :1], -0.10, 0.02) * quiet * (1 - rise(colour, 0.09, 0.14))
    crisp = rise(1.9 * gaussian(cloud, 1.0 * k) - 0.9 * gaussian(cloud, 9.0 * k), 0.35, 0.55)
    body = pale * crisp
    around = gaussian(torch.cat([body, body * light], 1), 9.0 * k)
    lit = rise(light - around[:, 1:] / (around[:, :1] + 1e-3) + 0.3 * (light - 0.88), -0.012, 0.014)
    tone = torch.cat([0.86 + 0.115 * lit, 0.006 - 0.006 * lit, -0.034 + 0.042 * lit], 1)
    base = torch.where(cloud < 0.5, smooth + 0.35 * (flat - smooth), flat)
    target = base + crisp * (0.3 * flat + 0.7 * tone - base)
    flat = flat + amount * 0.85 * pale * rise(cloud, 0.06, 0.2) * (target - flat)
    flat = torch.lerp(flat, _overcast(flat, scene, near_sky, busy, zone), amount)
    warm = near(hue(near_sky), 60, 45) * rise(colour, 0.03, 0.06) * rise(light, 0.55, 0.75)
    warm = 0.6 * warm * (1 - rise(busy, 0.06, 0.14)) * (1 - scene.skin)
    soft = torch.maximum(zone * rise(light - mean[:, :1], -0.3, -0.14), gaussian(warm, 4.0 * k))
    return flat, soft


def _overcast(flat: Tensor, scene: Scene, near_sky: Tensor, busy: Tensor, zone: Tensor) -> Tensor:
    """Grey, bright and calm: large tones are drawn apart, the bright ones warm, the dark ones lavender."""
    k = scene.k
    light = near_sky[:, :1]
    grey = rise(scene.calm[:, :1], 0.66, 0.82) * (1 - rise(chroma(scene.calm), 0.03, 0.06))
    grey = spread(grey, 1 - rise(busy, 0.025, 0.06), k) * (1 - zone)
    around = gaussian(torch.cat([grey, grey * light], 1), 16.0 * k)
    swell = gaussian(light, 2.5 * k) - around[:, 1:] / (around[:, :1] + 1e-3)
    tone = torch.tanh(swell / 0.03)
    shift = torch.cat([0.03 * tone, -0.001 - 0.002 * tone, -0.014 + 0.012 * tone], 1)
    return flat + grey * rise(around[:, :1], 0.2, 0.6) * shift
