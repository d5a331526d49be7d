"""Small filters and sampling of float32 planes, by OpenCV: `flow.filters` and `flow.warp` for arrays."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from scenivid.flow.warp import CUBIC
from scenivid.temporal.planes import Plane

cv: Any = cv2
"""Its type stubs take float32 arrays for any numbers."""
_EDGE = cv2.BORDER_REPLICATE
_BICUBIC = CUBIC / 0.75
"""Share of OpenCV's bicubic kernel (a = −0.75) in ours; the rest is smooth: see `flow.warp`."""
_STRIP = 48
"""Rows that are worked on at once, so that they stay in the processor's cache."""


def mean3(plane: Plane, out: Plane | None = None) -> Plane:
    """Mean of each 3×3 neighbourhood, the border repeated; [h, w] or [h, w, c]."""
    mean: Plane = cv.blur(plane, (3, 3), dst=out, borderType=_EDGE)
    return mean


def areas(plane: Plane) -> Plane:
    """Means of 8×8 pixels, [h, w] → [⌈h/8⌉, ⌈w/8⌉]."""
    return resized(plane, (-(-plane.shape[0] // 8), -(-plane.shape[1] // 8)))


def resized(plane: Plane, size: tuple[int, ...]) -> Plane:
    """[h, w] or [h, w, c] to `size` (height, width): means of areas to shrink, else linear."""
    while all(now % 2 == 0 and now >= 2 * then for now, then in zip(plane.shape[:2], size, strict=True)):
        half = (plane.shape[1] // 2, plane.shape[0] // 2)  # step by step is far faster than at once
        plane = cv.resize(plane, half, interpolation=cv2.INTER_AREA)
    if plane.shape[:2] == tuple(size):
        return plane
    smaller = size[0] <= plane.shape[0] and size[1] <= plane.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    other: Plane = cv.resize(plane, (size[1], size[0]), interpolation=how)
    return other


def enlarged(plane: Plane, size: tuple[int, ...], out: Plane | None = None) -> Plane:
    """Linear resampling of [h, w] to `size` (height, width)."""
    other: Plane = cv.resize(plane, (size[1], size[0]), dst=out, interpolation=cv2.INTER_LINEAR)
    return other


def blend(now: Plane, past: Plane, share: Plane, out: Plane | None = None) -> Plane:
    """now + share · (past − now); `out` may be `past`."""
    mixed: Plane = np.empty_like(past) if out is None else out
    rows = _STRIP if past.ndim == 2 and past.shape == share.shape else len(past)
    for top in range(0, len(past), rows):
        part, latest = mixed[top : top + rows], now[top : top + rows]
        np.subtract(past[top : top + rows], latest, out=part)
        np.multiply(part, share[top : top + rows], out=part)
        np.add(part, latest, out=part)
    return mixed


class Maps:
    """Where to fetch each pixel of planes of one size."""

    def __init__(self, size: tuple[int, int]) -> None:
        """Args:
        size: height and width of the planes.
        """
        self._size = size
        rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
        self._grid = np.ascontiguousarray(columns), np.ascontiguousarray(rows)
        self._there = np.empty_like(columns), np.empty_like(rows)
        self._smooth = np.empty_like(columns), np.empty_like(rows)
        self._plane = np.empty(size, np.float32)
        self._smoothed = False

    def point(self, flow: Plane) -> None:
        """Follow a flow field of any size, (u, v) in its own pixels, [h, w, 2], for the fetches to come."""
        height, width = flow.shape[:2]
        scales = self._size[1] / width, self._size[0] / height
        for part, scale, grid, out in zip(cv.split(flow), scales, self._grid, self._there, strict=True):
            part *= np.float32(scale)
            cv.resize(part, self._size[::-1], dst=out, interpolation=cv2.INTER_LINEAR)
            np.add(out, grid, out=out)
        self._smoothed = False

    @property
    def speed(self) -> Plane:
        """Pixels a frame, [h, w]."""
        along, down = (there - grid for there, grid in zip(self._there, self._grid, strict=True))
        # OpenCV's function for it depends in its last bit on where arrays lie: runs wouldn't be repeatable.
        speed: Plane = np.sqrt(along * along + down * down)
        return speed

    def fetch(self, plane: Plane) -> Plane:
        """Linear sampling, [h, w] or [h, w, c], the border repeated."""
        fetched: Plane = cv.remap(plane, *self._there, cv2.INTER_LINEAR, borderMode=_EDGE)
        return fetched

    def fetch_cubic(self, plane: Plane, out: Plane, moves: bool = True) -> Plane:
        """`flow.warp`'s 'cubic' into `out`, which isn't `plane`; a copy where nothing `moves`."""
        if not moves:
            np.copyto(out, plane)
            return out
        if not self._smoothed:
            self._smooth_positions()
        smooth = self._plane
        cv.remap(plane, *self._smooth, cv2.INTER_LINEAR, dst=smooth, borderMode=_EDGE)
        cv.remap(plane, *self._there, cv2.INTER_CUBIC, dst=out, borderMode=_EDGE)
        cv.addWeighted(out, _BICUBIC, smooth, 1 - _BICUBIC, 0, dst=out)
        return out

    def _smooth_positions(self) -> None:
        """Move the fraction f of a coordinate to 3f² − 2f³, so that linear sampling becomes smooth."""
        whole = np.empty((_STRIP, self._size[1]), np.float32)
        square = np.empty_like(whole)
        for there, smooth in zip(self._there, self._smooth, strict=True):
            for top in range(0, self._size[0], _STRIP):
                position, part = there[top : top + _STRIP], smooth[top : top + _STRIP]
                floor, twice = whole[: len(part)], square[: len(part)]
                np.floor(position, out=floor)
                np.subtract(position, floor, out=part)
                np.multiply(part, part, out=twice)
                np.multiply(part, np.float32(-2), out=part)
                np.add(part, np.float32(3), out=part)
                np.multiply(part, twice, out=part)
                np.add(part, floor, out=part)
        self._smoothed = True
