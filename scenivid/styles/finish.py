"""Finish at full size what was painted small: strokes scale with the frame, edges come from the source.

A plane p (luma, or a colour) was painted from a small source whose luma is s; S is the luma of the full one.

    out = U(g)·S + U(p' − g·s),    U: linear enlargement

Where the painting follows the source, g is its contrast over the source's (local linear model, guided filter,
He et al. 2013; fast form He & Sun 2015), a little more to make up for what U wears off; there the full-size
source's own edge appears, and if S holds nothing new, out = U(p'). Where the brush flattened something or set
an edge of its own, g falls to 0 and p' is p with its edges steepened, held between the neighbours: no halos.
Lines are enlarged linearly and drawn on that (`ink.compose`).
At last every edge, those of lines too, is made as narrow as a painting at full size has it: with the least
and the most of the pixels within r, three quarters of the enlargement, around each,

    out ← clamp(out + 0.8·(out − (least + most) / 2), least, most)

g is found for each 2×2 pixels of p.

Cost on the CPU: some ten passes over the small plane, twenty over half of it each way, and ten at full size,
six of them on bytes, all linear in pixels: about as much as decoding.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.flow.filters import enlarge, mean3, range3
from scenivid.ink import DEFAULT_INK, TINT, compose
from scenivid.pixels import to_float
from scenivid.styles.finish_planes import (
    BOOST,
    CRISP,
    FOLLOWS,
    MOST,
    NOISE,
    STEEPEN,
    WINDOW,
    GuideStats,
    finish_plane,
    reach,
)
from scenivid.styles.ink_planes import LumaInk


def at_painting_size(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Frames as a network wants them: means of areas, in float.

    Args:
        pixels: [N, C, H, W], uint8 or uint16 on the CPU, any device otherwise.
        size: height and width wanted, not above those of `pixels`.

    Returns:
        [N, C, *size], float32 in [0, 1].
    """
    if tuple(pixels.shape[-2:]) == size:
        return to_float(pixels)
    if pixels.device.type != "cpu":
        return F.interpolate(to_float(pixels), size, mode="bilinear", antialias=True, align_corners=False)
    planes = pixels.flatten(0, 1).numpy()
    small = [cv2.resize(plane, size[::-1], interpolation=cv2.INTER_AREA) for plane in planes]
    return to_float(torch.from_numpy(np.stack(small)).view(*pixels.shape[:2], *size))


def finish(
    painted: Tensor, guide: Tensor, full: Tensor, line: Tensor | None = None, ink: float = DEFAULT_INK
) -> Tensor:
    """Bring a painting to the size of the full source, and draw its lines.

    Args:
        painted: [N, C, h, w], float in [0, 1]; RGB if there are lines.
        guide: luma of what it was painted from, [N, 1, h, w], float in [0, 1].
        full: luma of the source at the size wanted, [N, 1, H, W], float in [0, 1].
        line: 0 where there is none, 1 in the middle of a full line, [N, 1, h, w]; None draws none.
        ink: darkness of lines, 0 to 1.

    Returns:
        [N, C, H, W], float32 in [0, 1]. One formula on every device; on the CPU by faster means.
    """
    size = (full.shape[-2], full.shape[-1])
    if painted.device.type != "cpu":
        gain, base = _fit(painted.float(), guide.float())
        large = enlarge(gain, size) * full + enlarge(base, size)
        if line is not None:
            large = compose(large, enlarge(line.float(), size), ink)
        return _crispened(large, reach(size[0] / guide.shape[-2])).clamp(0, 1)
    out = np.empty((*painted.shape[:2], *size), np.float32)
    for n, channels in enumerate(painted.float().numpy()):
        stats = GuideStats(guide[n, 0].float().contiguous().numpy())
        light = full[n, 0].float().contiguous().numpy()
        field = None if line is None else line[n, 0].float().contiguous().numpy()
        for c, plane in enumerate(channels):
            pen = None if field is None else LumaInk(field, size, ink, TINT[c])
            finish_plane(np.ascontiguousarray(plane), stats, light, out[n, c], ink=pen)
    return torch.from_numpy(out).clamp_(0, 1)


def _fit(painted: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and base of each painted plane, [N, C, h, w] each: the formula, for every device."""
    mean, level = _mean(guide), _mean(painted)
    variance = (_mean(guide * guide) - mean * mean).clamp(min=0)
    spread = (_mean(painted * painted) - level * level).clamp(min=0)
    together = _mean(painted * guide) - level * mean
    slope = together / (variance + NOISE)
    likeness = slope * together / (spread + NOISE)
    low, high = FOLLOWS
    trust = ((likeness - low) / (high - low)).clamp(0, 1)
    share = slope.clamp(-MOST, MOST) * trust * trust * (3 - 2 * trust)
    gain = enlarge(share, (guide.shape[-2], guide.shape[-1])) * BOOST
    return gain, _steepened(painted, STEEPEN) - gain * guide


def _steepened(image: Tensor, share: float) -> Tensor:
    """Steeper edges within the range of each pixel's neighbours, [N, C, h, w]."""
    least, most = range3(image)
    return torch.minimum(torch.maximum(image + share * (image - mean3(image)), least), most)


def _crispened(image: Tensor, within: int) -> Tensor:
    """Narrow edges within the range of each pixel's neighbours, [N, C, H, W]."""
    least, most = image, image
    for _ in range(within):
        least, most = range3(least)[0], range3(most)[1]
    return torch.minimum(torch.maximum(image + CRISP * (image - 0.5 * (least + most)), least), most)


def _mean(image: Tensor) -> Tensor:
    """Of windows around each 2×2 pixels, [N, C, ⌈h/2⌉, ⌈w/2⌉]."""
    height, width = image.shape[-2:]
    half = F.avg_pool2d(F.pad(image, (0, width % 2, 0, height % 2), mode="replicate"), 2)
    return F.avg_pool2d(F.pad(half, (WINDOW // 2,) * 4, mode="replicate"), WINDOW, 1)
