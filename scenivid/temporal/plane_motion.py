"""Motion of planes on a CPU: DIS both ways at a small size, with the checks of `flow.consistency`."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from scenivid.flow.consistency import DOUBT, STILL_PX, STILL_SIDE, working_size
from scenivid.flow.dis import Dis, Effort
from scenivid.temporal.area_light import COLOURS
from scenivid.temporal.plane_tools import FETCH, cv, mean3, resized
from scenivid.temporal.planes import Plane, PlaneMotion, Planes, State

_MISPLACED_PX = 0.35
_LUMA_601 = np.array([0.299, 0.587, 0.114], np.float32) * 255


class MotionPlanes:
    """Motion of each frame against the one before. One thread at a time."""

    def __init__(self, height: int, width: int, estimator: str = "dis") -> None:
        """Args:
        height, width: of the frames, any.
        estimator: 'dis', or 'none', which takes nothing to move.
        """
        self._search = Dis(Effort.BRISK) if estimator == "dis" else None
        self._check = Dis(Effort.ROUGH)
        side = self._search.long_side if self._search else STILL_SIDE
        self._size = working_size(height, width, side)
        self._still_px = STILL_PX * max(self._size) / max(height, width)
        self._last: Plane | None = None

    def step(self, source: Planes, cut: bool = False) -> PlaneMotion | None:
        """Motion from `source` to the previous one; None at the first frame and at a cut.

        Args:
            source: the frame before stylisation; not kept.
        """
        small = [resized(plane, self._size) for plane in (source.luma, *source.chroma)]
        now = np.stack([_mixed(small, row) for row in COLOURS])
        np.clip(now, 0, 1, out=now)
        before, self._last = self._last, now
        if before is None or cut:
            return None
        if self._search is None:
            return PlaneMotion(np.zeros((*self._size, 2), np.float32), _likeness(now, before))
        grey, grey_before = _grey(now), _grey(before)
        back = _settled(_parts(self._search.between(grey, grey_before)), self._still_px)
        forth = _parts(self._check.between(grey_before, grey))
        confidence = _likeness(now, _moved(before, back)) * _round_trip(back, forth)
        return PlaneMotion(np.moveaxis(back, 0, 2), confidence)

    def state(self) -> State:
        """What is remembered, as named arrays; empty before the first frame."""
        return {} if self._last is None else {"last": self._last}

    def restore(self, state: State) -> None:
        """Go on from what `state` once returned."""
        self._last = np.array(state["last"], np.float32) if state else None


def _parts(flow: Plane) -> Plane:
    """[h, w, 2] as [2, h, w]: filters take half as long on planes of their own."""
    return np.stack(cv.split(flow))


def _moved(planes: Plane, flow: Plane) -> Plane:
    """[c, h, w] sampled along a flow, [2, h, w]; the border repeated."""
    moved = np.empty_like(planes)
    for plane, out in zip(planes, moved, strict=True):
        cv.remap(plane, *flow, FETCH, dst=out, borderMode=cv2.BORDER_REPLICATE)
    return moved


def _round_trip(back: Plane, forth: Plane) -> Plane:
    """As `flow.consistency.round_trip`, [2, h, w] to [h, w]."""
    _, height, width = back.shape
    met = _moved(forth, back)
    square = _sum_of_squares(back)
    error = _sum_of_squares(back + met)
    tolerance = cv.addWeighted(square, 0.01, _sum_of_squares(met), 0.01, 0.5)
    edge = cv.divide(_gradient_square(back), cv.addWeighted(square, 0.05, square, 0, 0.05))
    trust = cv.exp(cv.divide(error, tolerance, scale=-1))
    edge *= edge
    edge += 1
    cv.divide(trust, edge, dst=trust)
    across = back[0] + np.arange(width, dtype=np.float32)
    down = back[1] + np.arange(height, dtype=np.float32)[:, None]
    inside = cv.bitwise_and(cv.inRange(across, -0.5, width - 0.5), cv.inRange(down, -0.5, height - 0.5))
    trust *= inside != 0
    return np.asarray(trust, np.float32)


def _mixed(planes: Sequence[Plane], weights: Plane) -> Plane:
    """Weighted sum of three planes."""
    mixed = cv.addWeighted(planes[0], float(weights[0]), planes[1], float(weights[1]), 0)
    return np.asarray(cv.addWeighted(mixed, 1, planes[2], float(weights[2]), 0, dst=mixed), np.float32)


def _grey(image: Plane) -> NDArray[np.uint8]:
    """RGB [3, h, w] in [0, 1] to 8-bit luma (Rec. 601), as `Dis` has it."""
    return np.asarray(cv.convertScaleAbs(_mixed(list(image), _LUMA_601)), np.uint8)


def _settled(flow: Plane, threshold_px: float) -> Plane:
    """As `flow.consistency.settle`, [2, h, w]."""
    speed = np.sqrt(_sum_of_squares(flow))
    return flow * np.clip(speed * np.float32(1 / threshold_px) - 1, 0, 1)


def _likeness(image: Plane, other: Plane) -> Plane:
    """As `flow.consistency.likeness`, RGB [3, h, w] to [h, w]."""
    difference = image - other
    sample = [np.abs((plane - mean3(plane))[::5, ::5]) for plane in difference]
    residue = np.mean(sample, axis=0).reshape(-1)
    rank = max(1, residue.size // 3) - 1
    noise = min(float(np.partition(residue, rank)[rank]) / 0.54, 0.03)
    np.abs(difference, out=difference)
    error = mean3(difference[0] + difference[1] + difference[2])
    slope = mean3(np.sqrt(_gradient_square(image)))
    share = _MISPLACED_PX / DOUBT / np.sqrt(3)
    excess = cv.addWeighted(error, 1 / DOUBT / 3, slope, -share, -1.5 * noise / DOUBT)
    np.maximum(excess, 0, out=excess)
    return np.asarray(cv.exp(cv.multiply(excess, excess, scale=-1)), np.float32)


def _gradient_square(image: Plane) -> Plane:
    """|∇|² summed over channels, [c, h, w] to [h, w]; forward differences, 0 at the far border."""
    square = np.zeros(image.shape[1:], np.float32)
    square[:, :-1] = _sum_of_squares(image[:, :, 1:] - image[:, :, :-1])
    square[:-1] += _sum_of_squares(image[:, 1:] - image[:, :-1])
    return square


def _sum_of_squares(image: Plane) -> Plane:
    """Over channels, [c, h, w] to [h, w]."""
    first, *others = image
    square: Plane = first * first
    for plane in others:
        square += plane * plane
    return square
