"""Ink: lines along the dark side of steps that last over scales."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.training.painter.filters import dark_lines, gaussian, rise
from scenivid.training.painter.looks import Look
from scenivid.training.painter.oklab import chroma
from scenivid.training.painter.scene import Scene


def draw_lines(flat: Tensor, scene: Scene, look: Look) -> Tensor:
    """The line field of a painting, [N, 1, H, W] in 0..1.

    A line needs a step at its own scale and at three times that: ripples, gravel and twigs have the first
    only, what is out of focus and soft clouds have the second only.

    Args:
        flat: the melted colours, Oklab, [N, 3, H, W]; crisp even where the photograph is soft.
    """
    k = scene.k
    # Vivid colours count as dark, so that a step of colour alone has a dark side too.
    dark = torch.cat([flat[:, :1] - 0.35 * chroma(flat), 0.9 * flat[:, 1:2], 0.9 * flat[:, 2:]], 1)
    ridge = dark_lines(dark, look.line * k, 3.2 * look.line * k)
    height = ridge[:, :1].clamp(min=0) + 0.5 * (ridge[:, 1:].amax(1, True) - ridge[:, :1].abs()).clamp(min=0)
    reach = 2 * round(3 * k) + 1
    steepest = gaussian(F.max_pool2d(scene.fine, reach, 1, reach // 2), 2.0 * k)
    lasting = gaussian(F.max_pool2d(scene.coarse, reach, 1, reach // 2), 2.0 * k)
    lasts = rise(lasting / (steepest + 0.03), 0.35, 0.65)
    sharp = rise(steepest / (lasting + 0.02), 0.42, 0.62)
    crowd = 1 - 0.75 * scene.leaf - 0.5 * (scene.texture - scene.leaf)
    height = height * scene.gain.sqrt()
    strength = rise(height, look.faint, look.full) * rise(lasting, 0.5 * look.faint, 1.3 * look.faint)
    line = strength * lasts * sharp * crowd
    return line * (1 - 0.7 * rise(gaussian(line, 8.0 * k), 0.2, 0.45))
