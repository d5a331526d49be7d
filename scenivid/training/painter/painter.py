"""A procedural painter: photographs in, flat colours and lines out. The lite networks learn from it.

Everything in it is local (about 80 px around each pixel at a short side of 540) and deterministic, so that
a small convolutional network can learn it, and so that nothing in it depends on what else a frame shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenivid.ink import compose
from scenivid.training.painter.filters import dab, gaussian, melt, rise, slope
from scenivid.training.painter.grade import grade
from scenivid.training.painter.lines import draw_lines
from scenivid.training.painter.looks import Look, softened
from scenivid.training.painter.oklab import rgb_to_oklab
from scenivid.training.painter.scene import Scene, look_at
from scenivid.training.painter.sky import paint_sky

SHORT_SIDE = 540
"""The painting size that every length is given for."""


@dataclass(frozen=True, eq=False)
class Painting:
    """What is painted."""

    flat: Tensor
    """Colours without lines, sRGB float in [0, 1], [N, 3, H, W]."""
    line: Tensor
    """Lines, 0 (none) to 1 (full), [N, 1, H, W]; `ink.compose` draws them."""


@torch.no_grad()
def paint(rgb: Tensor, look: Look, strength: float = 1.0, short_side: float = SHORT_SIDE) -> Painting:
    """Paint photographs.

    Args:
        rgb: [N, 3, H, W] float in [0, 1], H and W at least 48.
        strength: 1 is the look itself; less paints with smaller brushes and gentler colours.
        short_side: of the whole picture, in pixels; brushes and lines are scaled to it. A crop is painted
            with that of the picture it comes from.
    """
    look, k = softened(look, strength), short_side / SHORT_SIDE
    scene = look_at(rgb_to_oklab(rgb), k)
    flat = _flatten(scene, look)
    line = draw_lines(flat, scene, look)
    flat = _cel(_clumps(flat, scene, look), look, k)
    flat, soft = paint_sky(flat, scene, look.sky)
    return Painting(grade(flat, look, k), line * (1 - 0.85 * soft))


def paint_composed(rgb: Tensor, look: Look, strength: float = 1.0, short_side: float = SHORT_SIDE) -> Tensor:
    """`paint`, with the lines drawn as dark as the look wants them: RGB [N, 3, H, W] in [0, 1]."""
    painting = paint(rgb, look, strength, short_side)
    return compose(painting.flat, painting.line, look.ink)


def _flatten(scene: Scene, look: Look) -> Tensor:
    """A broad brush, a fine one for structure, none where even that would lose it; then melt."""
    k, calm = scene.k, scene.calm
    big, small = dab(calm, look.brush * k), dab(calm, look.fine * k)
    lost = gaussian((small - big)[:, :1].abs(), 2.0 * k)
    flat = big + rise(lost, 0.008, 0.03) * (1 - 0.9 * scene.leaf) * (small - big)
    lost = gaussian((calm - flat)[:, :1].abs(), 1.0 * k) * look.keep
    order = 1 - scene.texture
    kept = rise(lost, 0.010, 0.035) * order + rise(lost, 0.03, 0.08) * scene.texture * (1 - 0.8 * scene.leaf)
    kept = torch.maximum(kept, rise(lost, 0.004, 0.018) * scene.skin)
    flat = torch.lerp(flat, calm, kept)
    for turn in range(look.passes):
        guide = gaussian(flat, 0.6 * k) if turn == 0 else flat
        tolerance = look.melt * (1.0 if turn < 2 else 0.7)
        flat = melt(flat, guide, tolerance, 3, max(1, round((1, 2)[turn % 2] * k)))
    return flat


def _clumps(lab: Tensor, scene: Scene, look: Look) -> Tensor:
    """Texture becomes clumps of three tones around its local mean."""
    k, light = scene.k, lab[:, :1]
    base = gaussian(light, 9.0 * k)
    spread = (gaussian((light - base) ** 2, 9.0 * k) + 1e-5).sqrt()
    z = gaussian(light - base, 0.8 * k) / spread
    tone = torch.tanh(4 * (z + 0.55)) + torch.tanh(4 * (z - 0.75))
    clumps = base + spread * (0.85 * tone + 0.1 * z)
    return torch.cat([light + scene.leaf * look.dabs * (clumps - light), lab[:, 1:]], 1)


def _cel(lab: Tensor, look: Look, k: float) -> Tensor:
    """Soft steps of lightness; gentle slopes (skies) stay smooth."""
    light = lab[:, :1]
    steep = slope(gaussian(light, 2.5 * k)) * k
    hard = 1 + 5 * rise(steep, 0.0015, 0.008)
    tone = light * look.steps
    part = tone - tone.floor() - 0.5
    stepped = (tone.floor() + 0.5 + 0.5 * torch.tanh(2 * hard * part) / torch.tanh(hard)) / look.steps
    return torch.cat([light + look.cel * rise(steep, 0.0006, 0.003) * (stepped - light), lab[:, 1:]], 1)
