"""Finishing plane by plane on the CPU: the formulas of `finish`, band by band of rows.

A band with all that is made from it stays in the processor's cache; whole planes at full size would not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import cv2
import numpy as np

from scenivid.colour import FLOATS, Levels, Plane, halved

NEARLY = 1.1
"""A frame up to this many times larger than the painting size is painted as it is."""
WINDOW = 3
"""Side, in pairs of small pixels, of the windows in which painting and source are compared: one for each
2×2 pixels, since contrast changes slowly."""
NOISE = 1e-4
"""Variance, in [0, 1]², below which contrast counts as noise."""
FOLLOWS = (0.1, 0.4)
"""Squared correlation of painting and source from which the source begins to count, and counts wholly."""
MOST = 3.0
"""How many times the source's contrast an edge may have."""
BOOST = 1.06
"""Makes up for windows that reach beyond an edge: measured against paintings made at full size."""
STEEPEN = 0.8
"""Share of the difference from the 3×3 mean that is added to the painting's own edges."""
CRISP = 0.8
"""How much of the distance from the middle of its neighbourhood is added to each pixel at full size."""
AROUND = 0.75, 3
"""Reach of that neighbourhood, in pixels: the first times the enlargement, at most the second."""
_BAND = 96 * 1024
"""Pixels of a band, about."""


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


class Bands:
    """Bands of rows of an enlarged plane that can be enlarged one by one, as if all were at once."""

    def __init__(self, small: tuple[int, int], size: tuple[int, int]) -> None:
        """Args:
        small, size: height and width before and after.
        """
        self.size, self._small = size, small
        whole = math.gcd(small[0], size[0])
        self._unit, self._small_unit = size[0] // whole, small[0] // whole
        """Rows after and before that fall together."""
        self._units = max(1, _BAND // (size[1] * self._unit))
        if self._unit % 2 and self._units * self._unit < size[0]:
            self._units = max(2, self._units // 2 * 2)  # whole rows of half-size chroma

    def __iter__(self) -> Iterator[slice]:
        """The rows of each band."""
        rows = self._units * self._unit
        for top in range(0, self.size[0], rows):
            yield slice(top, min(top + rows, self.size[0]))

    def _around(self, rows: slice) -> tuple[int, int]:
        """First and last row (exclusive) of the small plane that these come from, and a few more."""
        first, last = rows.start // self._unit, rows.stop // self._unit
        return max(0, (first - 1) * self._small_unit), min(self._small[0], (last + 1) * self._small_unit)

    def rows_of(self, small: Plane, rows: slice) -> Plane:
        """What there is for each small row, of all that these rows come from."""
        return small[slice(*self._around(rows))]

    def enlarged(self, plane: Plane, rows: slice) -> Plane:
        """These rows of the linear enlargement of a small plane."""
        begin, end = self._around(rows)
        above = rows.start - begin // self._small_unit * self._unit
        size = (self.size[1], (end - begin) // self._small_unit * self._unit)
        large: Plane = cv2.resize(plane[begin:end], size, interpolation=cv2.INTER_LINEAR)
        return large[above : above + rows.stop - rows.start]


class GuideStats:
    """Local mean and variance of a small source plane, which all planes painted from it share."""

    def __init__(self, guide: Plane) -> None:
        """`guide`: float32 in [0, 1], [h, w]."""
        self.guide = guide
        half, square = _halves(guide, guide)
        self.mean = _mean(half)
        self.variance = _variance(square, self.mean)


class Ink(Protocol):
    """Lines drawn on a plane while it is made."""

    def __call__(self, values: Plane, rows: slice) -> Plane | None:
        """What is added to the values of these rows, an array of its own; None: nothing."""


def finish_plane(
    painted: Plane,
    stats: GuideStats,
    full: Plane,
    out: Plane,
    full_levels: Levels = FLOATS,
    out_levels: Levels = FLOATS,
    ink: Ink | None = None,
) -> None:
    """Finish one plane: `finish` for [h, w] arrays.

    Args:
        painted: float32 with values like the guide's, [h, w].
        stats: of the small source.
        full: luma of the full source, [H, W], float32 or uint8.
        out: written to; [H, W], float32, or uint8, which is rounded and clamped.
        full_levels: how `full` holds its values.
        out_levels: how `out` shall hold its values.
        ink: draws lines; gets values times the scale of `out_levels`.
    """
    gain, base = _fit_plane(painted, stats)
    # scale · (gain · (full − its offset) / its scale + base), as one product and one sum
    gain *= np.float32(out_levels.scale / full_levels.scale)
    cv2.addWeighted(base, out_levels.scale, gain, -full_levels.offset, 0, dst=base)
    bands = Bands(painted.shape, full.shape)
    for rows in bands:
        light = bands.enlarged(gain, rows)
        cv2.multiply(light, full[rows], dst=light, dtype=cv2.CV_32F)
        cv2.add(light, bands.enlarged(base, rows), dst=light)
        _put(light, rows, out, out_levels, ink)
    _crispen(out, reach(full.shape[0] / painted.shape[0]))


def put_plane(painted: Plane, out: Plane, levels: Levels, ink: Ink | None = None) -> None:
    """Write a plane that was painted at full size, with its lines."""
    for rows in Bands(painted.shape, painted.shape):
        _put(painted[rows] * np.float32(levels.scale), rows, out, levels, ink)


def _put(values: Plane, rows: slice, out: Plane, levels: Levels, ink: Ink | None) -> None:
    """Write a band of values, its lines drawn."""
    added = None if ink is None else ink(values, rows)
    share, added = (0, values) if added is None else (1, added)
    kind = cv2.CV_8U if out.dtype == np.uint8 else cv2.CV_32F
    cv2.addWeighted(values, 1, added, share, levels.offset, dst=out[rows], dtype=kind)


def reach(times: float) -> int:
    """How far `finish` looks around a pixel for the sides of an edge after so much enlargement, in pixels."""
    share, most = AROUND
    return min(most, max(1, round(share * times)))


def _fit_plane(painted: Plane, stats: GuideStats) -> tuple[Plane, Plane]:
    """`_fit` for one plane."""
    height, width = painted.shape
    gain: Plane = cv2.resize(_gain(painted, stats), (width, height), interpolation=cv2.INTER_LINEAR)
    base = np.empty_like(painted)
    most = max(2, _BAND // width)
    for top in range(0, height, most):
        rows = slice(top, min(top + most, height))
        wide = slice(max(0, top - 1), min(rows.stop + 1, height))
        steep = _steep_plane(painted[wide], STEEPEN)[top - wide.start :][: rows.stop - top]
        cv2.subtract(steep, cv2.multiply(gain[rows], stats.guide[rows]), dst=base[rows])
    return gain, base


def _gain(painted: Plane, stats: GuideStats) -> Plane:
    """The painting's contrast over the source's, where it follows; for each 2×2 pixels."""
    half, square, product = _halves(painted, painted, stats.guide)
    level = _mean(half)
    spread = _variance(square, level)
    slope = _mean(product)
    work = cv2.multiply(level, stats.mean)
    together = cv2.subtract(slope, work, dst=level)
    np.add(stats.variance, np.float32(NOISE), out=work)
    cv2.divide(together, work, dst=slope)
    trust: Plane = cv2.multiply(together, slope, dst=together)
    spread += np.float32(NOISE)
    cv2.divide(trust, spread, dst=trust)
    low, high = FOLLOWS
    cv2.addWeighted(trust, 1 / (high - low), trust, 0, -low / (high - low), dst=trust)
    np.clip(trust, 0, 1, out=trust)
    np.clip(slope, -MOST, MOST, out=slope)
    cv2.addWeighted(trust, -2 * BOOST, trust, 0, 3 * BOOST, dst=work)
    slope *= work
    trust *= trust
    slope *= trust
    return slope


def _halves(plane: Plane, *factors: Plane) -> list[Plane]:
    """Means of 2×2 pixels of a plane, and of its product with each of others; sides round up."""
    height, width = plane.shape
    halves = [np.empty((-(-height // 2), -(-width // 2)), np.float32) for _ in range(1 + len(factors))]
    most = max(2, _BAND // width // 2 * 2)
    for top in range(0, height, most):
        rows = slice(top, min(top + most, height))
        parts = [plane[rows], *(cv2.multiply(plane[rows], other[rows]) for other in factors)]
        for part, half in zip(parts, halves, strict=True):
            half[top // 2 : -(-rows.stop // 2)] = halved(part)
    return halves


def _variance(square: Plane, mean: Plane) -> Plane:
    """From the means of squares of 2×2 pixels, and those of windows."""
    variance = _mean(square)
    variance -= mean * mean
    return np.maximum(variance, 0, out=variance)


def _crispen(plane: Plane, within: int) -> None:
    """Away from the middle of the neighbourhood, never beyond it: edges become narrow, without halos."""
    square, edge = np.ones((2 * within + 1,) * 2, np.uint8), cv2.BORDER_REPLICATE
    least, most = cv2.erode(plane, square, borderType=edge), cv2.dilate(plane, square, borderType=edge)
    middle = cv2.addWeighted(least, 0.5, most, 0.5, 0)
    cv2.addWeighted(plane, 1 + CRISP, middle, -CRISP, 0, dst=plane)
    cv2.max(plane, least, dst=plane)
    cv2.min(plane, most, dst=plane)


def _steep_plane(image: Plane, share: float) -> Plane:
    steep = _mean(image, 3)
    cv2.addWeighted(image, 1 + share, steep, -share, 0, dst=steep)
    least, most = _range(image)
    return cv2.min(cv2.max(steep, least, dst=steep), most, dst=steep)


def _range(image: Plane) -> tuple[Plane, Plane]:
    """Smallest and largest value of each 3×3 neighbourhood, the border repeated."""
    square, edge = np.ones((3, 3), np.uint8), cv2.BORDER_REPLICATE
    return cv2.erode(image, square, borderType=edge), cv2.dilate(image, square, borderType=edge)


def _mean(plane: Plane, side: int = WINDOW) -> Plane:
    return cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE)
