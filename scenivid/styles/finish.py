"""Finish at full size what was painted small: strokes scale with the frame, edges come from the source.

A plane p (luma, or a colour) was painted from a small source whose luma is s; S is the luma of the full one.

    out = U(g)·S + U(p' − g·s),    U: linear enlargement

Where the painting follows the source, g is its contrast over the source's (local linear model, guided filter,
He et al. 2013; fast form He & Sun 2015), a little more to make up for what U wears off; there the full-size
source's own edge appears, and if S holds nothing new, out = U(p'). Where the brush flattened something or set
an edge of its own, g falls to 0 and p' is p with its edges steepened, held between the neighbours: no halos.

Cost on the CPU: some 30 passes over the small plane, a dozen of them filters, and four at full size,
all linear in pixels: about as much as decoding.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.colour import FLOATS, Levels, Plane
from scenivid.flow.filters import enlarge, mean3, range3
from scenivid.frames import to_float

NEARLY = 1.1
"""A frame up to this many times larger than the painting size is painted as it is."""
_WINDOW = 5
"""Side, in small pixels, of the windows in which painting and source are compared."""
_NOISE = 1e-4
"""Variance, in [0, 1]², below which contrast counts as noise."""
_FOLLOWS = (0.1, 0.4)
"""Squared correlation of painting and source from which the source begins to count, and counts wholly."""
_MOST = 3.0
"""How many times the source's contrast an edge may have."""
_BOOST = 1.06
"""Makes up for windows that reach beyond an edge: measured against paintings made at full size."""
_STEEPEN = 0.8
"""Share of the difference from the 3×3 mean that is added to the painting's own edges."""
_LARGE = 2.5
"""Enlargement from which the flanks of lines are steepened twice."""


def painting_size(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """Height and width at which a frame is painted: even, and never larger than the frame.

    Args:
        height, width: of the frame, in pixels.
        short_side: that of the painting; None paints at full size.
    """
    short = min(height, width)
    if short_side is None or short <= NEARLY * short_side:
        return height, width
    scale = short_side / short
    return 2 * max(1, round(height * scale / 2)), 2 * max(1, round(width * scale / 2))


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


def finish(painted: Tensor, guide: Tensor, full: Tensor) -> Tensor:
    """Bring a painting to the size of the full source.

    Args:
        painted: [N, C, h, w], float in [0, 1].
        guide: luma of what it was painted from, [N, 1, h, w], float in [0, 1].
        full: luma of the source at the size wanted, [N, 1, H, W], float in [0, 1].

    Returns:
        [N, C, H, W], float32 in [0, 1]. One formula on every device; on the CPU by faster means.
    """
    if painted.device.type != "cpu":
        gain, base = _fit(painted.float(), guide.float())
        size = (full.shape[-2], full.shape[-1])
        return (enlarge(gain, size) * full + enlarge(base, size)).clamp(0, 1)
    out = np.empty((*painted.shape[:2], *full.shape[-2:]), np.float32)
    for n, channels in enumerate(painted.float().numpy()):
        stats = GuideStats(guide[n, 0].float().contiguous().numpy())
        light = full[n, 0].float().contiguous().numpy()
        for c, plane in enumerate(channels):
            finish_plane(np.ascontiguousarray(plane), stats, light, out[n, c])
    return torch.from_numpy(out).clamp_(0, 1)


class Room:
    """Memory for planes at full size: asking for it anew would cost as much as filling it."""

    def __init__(self) -> None:
        self._planes: dict[tuple[int, int], tuple[Plane, Plane]] = {}

    def of(self, height: int, width: int) -> tuple[Plane, Plane]:
        """Two float32 planes of this size; whatever they held is overwritten."""
        if (height, width) not in self._planes:
            shape = (height, width)
            self._planes[shape] = np.empty(shape, np.float32), np.empty(shape, np.float32)
        return self._planes[height, width]


class GuideStats:
    """Local mean and variance of a small source plane, which all planes painted from it share."""

    def __init__(self, guide: Plane) -> None:
        """`guide`: float32 in [0, 1], [h, w]."""
        self.guide = guide
        self.mean = _box(guide)
        self.variance = np.maximum(_box(guide * guide) - self.mean * self.mean, 0)


def finish_plane(
    painted: Plane,
    stats: GuideStats,
    full: Plane,
    out: Plane,
    full_levels: Levels = FLOATS,
    out_levels: Levels = FLOATS,
    room: Room | None = None,
) -> None:
    """Finish one plane on the CPU: `finish` for [h, w] arrays.

    Args:
        painted: float32 with values like the guide's, [h, w].
        stats: of the small source.
        full: luma of the full source, [H, W], float32 or uint8.
        out: written to; [H, W], float32, or uint8, which is rounded and clamped.
        full_levels: how `full` holds its values.
        out_levels: how `out` shall hold its values.
        room: memory to work in, kept from frame to frame.
    """
    gain, base = _fit_plane(painted, stats)
    # offset + scale · (gain · (full − its offset) / its scale + base), as one product and one sum
    gain *= np.float32(out_levels.scale / full_levels.scale)
    base *= np.float32(out_levels.scale)
    base += np.float32(out_levels.offset)
    if full_levels.offset:
        base -= gain * np.float32(full_levels.offset)
    height, width = full.shape
    light, rest = (room if room is not None else Room()).of(height, width)
    cv2.resize(gain, (width, height), dst=light, interpolation=cv2.INTER_LINEAR)
    cv2.resize(base, (width, height), dst=rest, interpolation=cv2.INTER_LINEAR)
    cv2.multiply(light, full, dst=light, dtype=cv2.CV_32F)
    cv2.add(light, rest, dst=out, dtype=cv2.CV_8U if out.dtype == np.uint8 else cv2.CV_32F)


def finish_line(line: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge a field of drawn lines crisply: their flanks get steeper, their middle keeps its darkness.

    Args:
        line: 0 where there is none, 1 in the middle of a full line, [N, 1, h, w], float.
        size: height and width wanted.

    Returns:
        [N, 1, *size], float32 in [0, 1].
    """
    line = line.float()
    if tuple(line.shape[-2:]) == size:
        return line
    least, most = (enlarge(bound, size) for bound in range3(line))
    spread = (most - least).clamp(min=1e-4)
    place = ((enlarge(line, size) - least) / spread).clamp(0, 1)
    for _ in range(1 if size[0] < _LARGE * line.shape[-2] else 2):
        place = place * place * (3 - 2 * place)
    return least + spread * place


def _fit(painted: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and base of each painted plane, [N, C, h, w] each: the formula, for every device."""
    mean, level = _mean5(guide), _mean5(painted)
    variance = (_mean5(guide * guide) - mean * mean).clamp(min=0)
    spread = (_mean5(painted * painted) - level * level).clamp(min=0)
    together = _mean5(painted * guide) - level * mean
    slope = together / (variance + _NOISE)
    likeness = slope * together / (spread + _NOISE)
    low, high = _FOLLOWS
    trust = ((likeness - low) / (high - low)).clamp(0, 1)
    gain = mean3(slope.clamp(-_MOST, _MOST) * trust * trust * (3 - 2 * trust)) * _BOOST
    return gain, _steepened(painted, _STEEPEN) - gain * guide


def _fit_plane(painted: Plane, stats: GuideStats) -> tuple[Plane, Plane]:
    """`_fit` for one plane."""
    level = _box(painted)
    spread = np.maximum(_box(painted * painted) - level * level, 0)
    together = _box(painted * stats.guide) - level * stats.mean
    slope = together / (stats.variance + np.float32(_NOISE))
    trust = slope * together / (spread + np.float32(_NOISE))
    low, high = _FOLLOWS
    trust -= np.float32(low)
    trust *= np.float32(1 / (high - low))
    np.clip(trust, 0, 1, out=trust)
    np.clip(slope, -_MOST, _MOST, out=slope)
    slope *= trust * trust * (3 - 2 * trust)
    gain = _box(slope, 3)
    gain *= np.float32(_BOOST)
    return gain, _steep_plane(painted, _STEEPEN) - gain * stats.guide


def _steepened(image: Tensor, share: float) -> Tensor:
    """Steeper edges within the range of each pixel's neighbours, [N, C, h, w]."""
    least, most = range3(image)
    return torch.minimum(torch.maximum(image + share * (image - mean3(image)), least), most)


def _steep_plane(image: Plane, share: float) -> Plane:
    steep = cv2.addWeighted(image, 1 + share, _box(image, 3), -share, 0)
    square = np.ones((3, 3), np.uint8)
    edge = cv2.BORDER_REPLICATE
    least, most = cv2.erode(image, square, borderType=edge), cv2.dilate(image, square, borderType=edge)
    return cv2.min(cv2.max(steep, least), most)


def _box(plane: Plane, side: int = _WINDOW) -> Plane:
    return cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE)


def _mean5(image: Tensor) -> Tensor:
    reach = _WINDOW // 2
    return F.avg_pool2d(F.pad(image, (reach,) * 4, mode="replicate"), _WINDOW, 1)
