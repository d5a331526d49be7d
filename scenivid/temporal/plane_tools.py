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
FETCH = cv2.INTER_LINEAR | cv2.WARP_RELATIVE_MAP
"""How to sample along a flow."""
_SECOND = np.array([[1, -2, 1]], np.float32), np.array([[1], [-2], [1]], np.float32)
_LITTLE = 2.0
"""Shrinking by less takes linear samples: far faster than means of areas, and nearly the same."""
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
    smaller = _LITTLE * size[0] <= plane.shape[0] and _LITTLE * size[1] <= plane.shape[1]
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

    def __init__(self, size: tuple[int, int], cubic: bool = True) -> None:
        """Args:
        size: height and width of the planes.
        cubic: whether `fetch_cubic` will be asked for; where `fetch` looks then differs by up to 0.01 pixels.
        """
        self._size, self._cubic = size, cubic
        self._shift = np.zeros((2, *size), np.float32)
        self._bend = np.zeros((2, *size), np.float32)
        self._work = np.empty(size, np.float32)

    def point(self, flow: Plane) -> None:
        """Follow a flow field of any size, (u, v) in its own pixels, [2, h, w], for the fetches to come."""
        height, width = flow.shape[1:]
        scales = self._size[1] / width, self._size[0] / height
        for part, scale, shift, bend in zip(flow, scales, self._shift, self._bend, strict=True):
            part = part * np.float32(scale)
            if self._cubic:
                share = part - np.floor(part)
                hump = share * (share - 1)
                enlarged(hump * np.float32(CUBIC), self._size, bend)
                part += hump * (2 * share - 1) * np.float32(2 * CUBIC - 1)
            enlarged(part, self._size, shift)

    @property
    def speed(self) -> Plane:
        """Pixels a frame, [h, w]."""
        along, down = self._shift
        # OpenCV's function for it depends in its last bit on where arrays lie: runs wouldn't be repeatable.
        speed: Plane = np.sqrt(along * along + down * down)
        return speed

    def fetch(self, plane: Plane, out: Plane | None = None) -> Plane:
        """Linear sampling, [h, w] or [h, w, c], the border repeated."""
        fetched: Plane = cv.remap(plane, *self._shift, FETCH, dst=out, borderMode=_EDGE)
        return fetched

    def fetch_cubic(self, plane: Plane, out: Plane, moves: bool = True) -> Plane:
        """`flow.warp`'s 'cubic' into `out`, which isn't `plane`; a copy where nothing `moves`.

        On one axis, with Δ² the second difference, Catmull-Rom at a fraction f between pixels is linear
        sampling of p − ½·f(1 − f)·Δ²p. Neighbours move alike, so that Δ² may as well be taken afterwards.
        Keys' cubic with any −a has −a for ½, and samples at f + (−2a − 1)·f(1 − f)(1 − 2f).
        """
        if not moves:
            np.copyto(out, plane)
            return out
        self.fetch(plane, out)
        for second, bend in zip(_SECOND, self._bend, strict=True):
            cv.filter2D(out, -1, second, dst=self._work, borderType=_EDGE)
            cv.accumulateProduct(self._work, bend, out)
        return out
