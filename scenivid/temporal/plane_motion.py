"""Motion of planes on a CPU: DIS both ways at a small size, with the checks of `flow.consistency`."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from scenivid.flow.consistency import DOUBT, STILL_PX, STILL_SIDE, working_size
from scenivid.flow.dis import Dis
from scenivid.temporal.area_light import COLOURS
from scenivid.temporal.plane_tools import cv, mean3, resized
from scenivid.temporal.planes import Plane, PlaneMotion, Planes, State

_MISPLACED_PX = 0.35
_THIRD = np.full((1, 3), 1 / 3, np.float32)
_LUMA_601 = np.array([[0.299, 0.587, 0.114]], np.float32) * 255


class MotionPlanes:
    """Motion of each frame against the one before. One thread at a time."""

    def __init__(self, height: int, width: int, estimator: str = "dis") -> None:
        """Args:
        height, width: of the frames, any.
        estimator: 'dis', or 'none', which takes nothing to move.
        """
        self._search = Dis() if estimator == "dis" else None
        self._check = Dis(rough=True)
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
        small = [resized(plane, self._size) for plane in (source.luma, *source.chroma)]
        now = cv.transform(cv.merge(small), COLOURS)
        np.clip(now, 0, 1, out=now)
        before, self._last = self._last, now
        if before is None or cut:
            return None
        if self._search is None:
            return PlaneMotion(np.zeros((*self._size, 2), np.float32), _likeness(now, before))
        grey, grey_before = _grey(now), _grey(before)
        back = _settled(self._search.between(grey, grey_before), self._still_px)
        forth = self._check.between(grey_before, grey)
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
        square = _sum_of_squares(back)
        error = _sum_of_squares(cv.add(back, met))
        tolerance = cv.addWeighted(square, 0.01, _sum_of_squares(met), 0.01, 0.5)
        edge = cv.divide(_gradient_square(back), cv.addWeighted(square, 0.05, square, 0, 0.05))
        trust = cv.exp(cv.divide(error, tolerance, scale=-1))
        cv.divide(trust, cv.add(cv.multiply(edge, edge), 1.0), dst=trust)
        outside = cv.inRange(there, (-0.5, -0.5), (width - 0.5, height - 0.5)) == 0
        trust[outside] = 0
        return np.asarray(trust, np.float32)


def _grey(image: Plane) -> NDArray[np.uint8]:
    """RGB [h, w, 3] in [0, 1] to 8-bit luma (Rec. 601), as `Dis` has it."""
    return np.asarray(cv.convertScaleAbs(cv.transform(image, _LUMA_601)), np.uint8)


def _settled(flow: Plane, threshold_px: float) -> Plane:
    """As `flow.consistency.settle`, [h, w, 2]."""
    speed = cv.sqrt(_sum_of_squares(flow))
    share = np.clip(speed * np.float32(1 / threshold_px) - 1, 0, 1)
    return np.asarray(cv.multiply(flow, cv.merge((share, share))), np.float32)


def _likeness(image: Plane, other: Plane) -> Plane:
    """As `flow.consistency.likeness`, RGB [h, w, 3] to [h, w]."""
    difference = cv.subtract(image, other)
    error = mean3(cv.transform(cv.absdiff(image, other), _THIRD))
    residue = cv.transform(np.abs((difference - mean3(difference))[::5, ::5]), _THIRD).reshape(-1)
    rank = max(1, residue.size // 3) - 1
    noise = min(float(np.partition(residue, rank)[rank]) / 0.54, 0.03)
    slope = mean3(cv.sqrt(_gradient_square(image) * np.float32(1 / 3)))
    excess = cv.addWeighted(error, 1 / DOUBT, slope, -_MISPLACED_PX / DOUBT, -1.5 * noise / DOUBT)
    np.maximum(excess, 0, out=excess)
    return np.asarray(cv.exp(cv.multiply(excess, excess, scale=-1)), np.float32)


def _gradient_square(image: Plane) -> Plane:
    """|∇|² summed over channels, [h, w, c] to [h, w]; forward differences, 0 at the far border."""
    square = np.zeros(image.shape[:2], np.float32)
    square[:, :-1] = _sum_of_squares(cv.subtract(image[:, 1:], image[:, :-1]))
    square[:-1] += _sum_of_squares(cv.subtract(image[1:], image[:-1]))
    return square


def _sum_of_squares(image: Plane) -> Plane:
    """Over channels, [h, w, c] to [h, w]."""
    ones = np.ones((1, image.shape[2]), np.float32)
    squares: Plane = cv.transform(cv.multiply(image, image), ones)
    return squares
