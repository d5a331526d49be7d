"""What the painter sees before it paints: edges, texture, leaves, skin, sky. All of it local."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.training.painter.filters import gaussian, melt, rise, step_height
from scenivid.training.painter.oklab import chroma, hue, near

_COLOUR_WEIGHT = 1.6
"""How much a difference of colour counts beside one of lightness."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Maps of one batch; [N, 1, H, W] in 0..1 where nothing else is said."""

    calm: Tensor
    """The photograph without its noise, Oklab, [N, 3, H, W]."""
    fine: Tensor
    """Height of steps at the scale of a line, in Oklab distances."""
    coarse: Tensor
    """Height of steps that last over three times that scale."""
    texture: Tensor
    """Crowded detail without steps: leaves, gravel, ripples."""
    leaf: Tensor
    """Texture of the colours of leaves or blossom."""
    skin: Tensor
    """Among the colour of skin, without texture: eyes and mouth are in it too."""
    sky: Tensor
    """Calm and blue: how sure."""
    gain: Tensor
    """How much small differences count: 1 where contrast is strong, more in haze, dusk and shadow."""
    k: float
    """Size of the painting relative to a short side of 540."""


def weighted(lab: Tensor) -> Tensor:
    """Oklab with colour counted as the painter counts it."""
    return torch.cat([lab[:, :1], _COLOUR_WEIGHT * lab[:, 1:]], 1)


def look_at(lab: Tensor, k: float) -> Scene:
    """Args:
    lab: photographs, Oklab, [N, 3, H, W].
    k: size of the painting relative to a short side of 540.
    """
    calm = melt(lab, gaussian(lab, 0.7 * k), 0.03, 2, max(1, round(k)))
    colours = weighted(calm)
    fine, coarse = step_height(colours, 1.0 * k), step_height(colours, 3.5 * k)
    texture = rise(gaussian((fine - 1.15 * coarse).clamp(min=0), 5.0 * k), 0.012, 0.045)
    c, h = chroma(calm), hue(calm)
    wide = gaussian(calm, 5.0 * k)
    cw, hw = chroma(wide), hue(wide)
    green = near(hw, 125, 34) + 0.45 * near(hw, 60, 40) * rise(cw, 0.08, 0.14) + 0.45 * near(hw, 0, 35)
    leaf = texture * (0.2 + rise(cw, 0.008, 0.035) * 0.9 * green).clamp(max=1)
    skin = near(h, 55, 24, 4) * rise(c, 0.02, 0.045) * (1 - rise(c, 0.12, 0.17)) * (1 - texture)
    skin = rise(gaussian(skin * rise(calm[:, :1], 0.3, 0.5), 5.0 * k), 0.25, 0.6)
    blue = near(h, 256, 44, 4) * rise(c, 0.02, 0.045)
    sky = spread(blue * rise(calm[:, :1], 0.4, 0.6), 1 - rise(gaussian(fine, 6.0 * k), 0.03, 0.08), k)
    base = gaussian(calm[:, :1], 9.0 * k)
    contrast = (gaussian((calm[:, :1] - base) ** 2, 12.0 * k) + 1e-6).sqrt()
    gain = 1 / (contrast / 0.10).clamp(0.55, 1.0)
    return Scene(calm, fine, coarse, texture, leaf, skin, sky, gain, k)


def spread(colour: Tensor, quiet: Tensor, k: float) -> Tensor:
    """Where the colour fits and quiet is near: up to the very edge of what stands before a sky."""
    reach = 2 * round(7 * k) + 1
    return colour * gaussian(F.max_pool2d(colour * quiet, reach, 1, reach // 2), 2.0 * k)
