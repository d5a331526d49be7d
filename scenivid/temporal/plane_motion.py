"""Motion of planes on a CPU: DIS both ways at a small size, with the checks of `flow.consistency`."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from scenivid.flow.consistency import DOUBT, STILL_PX, STILL_SIDE, working_size
from scenivid.flow.dis import Dis
from scenivid.temporal.area_light import colours
from scenivid.temporal.plane_tools import cv, mean3, resized
from scenivid.temporal.planes import Plane, PlaneMotion, Planes, State

_MISPLACED_PX = 0.35
_THIRD = np.full((1, 3), 1 / 3, np.float32)


class MotionPlanes:
    """Motion of each frame against the one before. One thread at a time."""

    def __init__(self, height: int, width: int, estimator: str = "dis") -> None:
        """Args:
        height, width: of the frames, any.
        estimator: 'dis', or 'none', which takes nothing to move.
        """
        self._search = Dis() if estimator == "dis" else None
        side = self._search.long_side if self._search else STILL_SIDE
        self._size = working_size(height, width, side)
        self._still_px = STILL_PX * max(self._size) / max(height, width)
        rows, columns = np.mgrid[: self._size[0], : self._size[1]].astype(np.float32)
        self._grid = np.dstack((columns, rows))
        self._last: Plane | None = None

    def step(self, source: Planes, cut: bool = False) -> PlaneMotion | None:
        """Motion from `source` to the previous one; None at the first frame and at a cut.

        Args:
            source: the frame before stylisation; not kept.
        """
        small = [resized(source.luma, self._size)]
        small += [resized(plane, self._size) for plane in source.chroma]
        now = np.clip(colours(np.dstack(small)), 0, 1)
        before, self._last = self._last, now
        if before is None or cut:
            return None
        if self._search is None:
            return PlaneMotion(np.zeros((*self._size, 2), np.float32), _likeness(now, before))
        grey, grey_before = _grey(now), _grey(before)
        back = _settled(self._search.between(grey, grey_before), self._still_px)
        forth = self._search.between(grey_before, grey)
        there = self._grid + back
        moved = cv.remap(before, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        confidence = _likeness(now, moved) * self._round_trip(back, forth, there)
        return PlaneMotion(back, confidence)

    def state(self) -> State:
        """What is remembered, as named arrays; empty before the first frame."""
        return {} if self._last is None else {"last": self._last}

    def restore(self, state: State) -> None:
        """Go on from what `state` once returned."""
        self._last = np.array(state["last"], np.float32) if state else None

    def _round_trip(self, back: Plane, forth: Plane, there: Plane) -> Plane:
        """As `flow.consistency.round_trip`, [h, w]."""
        height, width = self._size
        met = cv.remap(forth, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        u, v = cv.split(back)
        p, q = cv.split(met)
        square = u * u + v * v
        error = np.square(u + p) + np.square(v + q)
        tolerance = 0.01 * (square + p * p + q * q) + 0.5
        edge = _gradient_square(u) + _gradient_square(v)
        smooth = 1 / (1 + np.square(edge / (0.05 * square + 0.05)))
        x, y = cv.split(there)
        inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
        return np.asarray(np.exp(-error / tolerance) * smooth * inside, np.float32)


def _grey(image: Plane) -> NDArray[np.uint8]:
    """RGB [h, w, 3] in [0, 1] to 8-bit luma (Rec. 601), as `Dis` has it."""
    weights = np.array([[0.299, 0.587, 0.114]], np.float32) * 255
    return np.asarray(np.rint(cv.transform(image, weights)), np.uint8)


def _settled(flow: Plane, threshold_px: float) -> Plane:
    """As `flow.consistency.settle`, [h, w, 2]."""
    speed = cv.magnitude(*cv.split(flow))
    return np.asarray(flow * np.clip(speed / np.float32(threshold_px) - 1, 0, 1)[..., None], np.float32)


def _likeness(image: Plane, other: Plane) -> Plane:
    """As `flow.consistency.likeness`, RGB [h, w, 3] to [h, w]."""
    difference = image - other
    error = mean3(cv.transform(np.abs(difference), _THIRD))
    residue = np.abs((difference - mean3(difference))[::5, ::5]).mean(axis=2).reshape(-1)
    rank = max(1, residue.size // 3) - 1
    noise = min(float(np.partition(residue, rank)[rank]) / 0.54, 0.03)
    slope = mean3(np.sqrt(sum(_gradient_square(plane) for plane in cv.split(image)) / np.float32(3)))
    excess = np.maximum(error - np.float32(1.5 * noise) - np.float32(_MISPLACED_PX) * slope, 0)
    return np.asarray(np.exp(-np.square(excess / np.float32(DOUBT))), np.float32)


def _gradient_square(plane: Plane) -> Plane:
    """|∇|², forward differences, 0 at the far border."""
    square = np.zeros_like(plane)
    square[:, :-1] = np.square(plane[:, 1:] - plane[:, :-1])
    square[:-1] += np.square(plane[1:] - plane[:-1])
    return square
