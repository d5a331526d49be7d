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
    # Variances are taken as differences of means: TensorFloat-32 would leave little of them.
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        scene = look_at(rgb_to_oklab(rgb), k)
        flat = _flatten(scene, look)
        line = draw_lines(flat, scene, look) * (1 - 0.85 * _lettering(scene))
        flat = _cel(_clumps(flat, scene, look), scene, look)
        flat, soft = paint_sky(flat, scene, look.sky)
        return Painting(grade(flat, look, k), line * (1 - 0.85 * soft))


def paint_composed(rgb: Tensor, look: Look, strength: float = 1.0, short_side: float = SHORT_SIDE) -> Tensor:
    """`paint`, with the lines drawn as dark as the look wants them: RGB [N, 3, H, W] in [0, 1]."""
    painting = paint(rgb, look, strength, short_side)
    return compose(painting.flat, painting.line, look.ink)


def _flatten(scene: Scene, look: Look) -> Tensor:
    """A broad brush, a fine one for structure, none where even that would lose it; then melt."""
    k, calm, leaf = scene.k, scene.calm, scene.leaf
    big, small = dab(calm, look.brush * k), dab(calm, look.fine * k)
    lost = gaussian((small - big)[:, :1].abs(), 2.0 * k) * scene.gain
    drawn = torch.lerp(small, calm, _kept(calm - small, scene, look))
    flat = big + rise(lost, 0.010, 0.035) * (1 - 0.5 * leaf) * (drawn - big)
    for turn in range(look.passes):
        guide = flat - gaussian(flat, 9.0 * k) * (1 - 1 / scene.gain)
        guide = (gaussian(guide, 0.6 * k) if turn == 0 else guide) * scene.gain
        tolerance = look.melt * (1.0 if turn < 2 else 0.7)
        flat = melt(flat, guide, tolerance, 3, max(1, round((1, 2)[turn % 2] * k)))
    return torch.lerp(flat, drawn, _kept(drawn - flat, scene, look))


def _kept(loss: Tensor, scene: Scene, look: Look) -> Tensor:
    """Where a brush would lose what must stay, [N, 1, H, W] in 0..1: letters, faces, windows."""
    lost = gaussian(loss[:, :1].abs(), 1.0 * scene.k)
    crowd = scene.texture
    kept = rise(lost * look.keep * scene.gain, 0.022, 0.06) * (1 - crowd)
    kept = kept + rise(lost, 0.06, 0.12) * crowd * (1 - scene.leaf)
    return torch.maximum(kept, rise(lost * look.keep, 0.009, 0.028) * scene.skin)


def _lettering(scene: Scene) -> Tensor:
    """Crowded strokes of full contrast, [N, 1, H, W] in 0..1: they are lines already."""
    k = scene.k
    stroke = (scene.calm - gaussian(scene.calm, 2.5 * k))[:, :1].abs()
    return rise(gaussian(stroke, 3.0 * k), 0.05, 0.11) * scene.texture * (1 - scene.leaf)


def _clumps(lab: Tensor, scene: Scene, look: Look) -> Tensor:
    """Texture becomes clumps of three tones around its local mean: light ones warm, dark ones cool."""
    k, light = scene.k, lab[:, :1]
    base = gaussian(scene.calm, 9.0 * k)
    around = base[:, :1]
    away = (gaussian((scene.calm[:, :1] - around) ** 2, 9.0 * k) + 1e-5).sqrt()
    z = gaussian(0.5 * (light + scene.calm[:, :1]) - around, 1.1 * k) / away
    tone = 0.5 * (torch.tanh(4 * (z + 0.5)) + torch.tanh(4 * (z - 0.7)))
    shift = torch.cat([1.5 * away * tone, -0.004 * tone, 0.016 * tone], 1)
    clumps = torch.cat([around, 0.5 * (base + lab)[:, 1:]], 1) + shift
    return torch.lerp(lab, clumps, scene.leaf * look.dabs)


def _cel(lab: Tensor, scene: Scene, look: Look) -> Tensor:
    """Steps of lightness: hard where it changes fast, hardly any in gentle slopes (skies) and in skin."""
    k, light = scene.k, lab[:, :1]
    # The slope of an edge says nothing about what lies beside it.
    inside = 1 - rise(scene.coarse, 0.04, 0.10)
    steep = gaussian(torch.cat([inside, inside * slope(gaussian(light, 2.5 * k)) * k], 1), 6.0 * k)
    steep = steep[:, 1:] / (steep[:, :1] + 0.02)
    hard = 1 + 4 * rise(steep, 0.0015, 0.008)
    tone = light * look.steps
    part = tone - tone.floor() - 0.5
    stepped = (tone.floor() + 0.5 + 0.5 * torch.tanh(2 * hard * part) / torch.tanh(hard)) / look.steps
    amount = look.cel * (0.2 + 0.8 * rise(steep, 0.0008, 0.004)) * (1 - 0.5 * scene.skin)
    return torch.cat([light + amount * (stepped - light), lab[:, 1:]], 1)
