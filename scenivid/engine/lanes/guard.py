"""The guard: where a painting shows something else than its source, the source comes back, locally, gently.

It looks at small copies, some times a second; its mask follows within some frames and goes more slowly, so
that nothing flickers. At a cut it looks at once and remembers nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from scenivid.engine.lanes.planes import Frame, told
from scenivid.perception.regions import Picture, Plane, disagreement, looked_at, regions

EVERY = 3
"""Frames from one look to the next, counted from the beginning of a shot."""
_RISE, _FALL = 0.3, 0.1
"""Share of the way to what was seen last that the mask goes with each frame, up and down."""
_MOST = 0.9
"""Share of the source where it surely disagrees."""
_NOTHING = 0.02
"""A mask below this everywhere is none."""


@dataclass(frozen=True, eq=False)
class Watched:
    """What the guard remembers of a shot; [h, w] each."""

    seen: Plane
    """The disagreement at the last look."""
    mask: Plane
    """The share of the source, eased towards it."""
    age: int
    """Frames since the shot began."""


def watch(source: Picture, styled: Picture, before: Watched | None) -> Watched:
    """Look at one frame.

    Args:
        source, styled: as small as `looked_at` says, RGB [3, h, w]; used at every `EVERY`th frame only.
        before: of the frame before; None at the beginning of a shot.
    """
    if before is None:
        seen = _wrong(source, styled)
        return Watched(seen, seen, 0)
    age = before.age + 1
    seen = _wrong(source, styled) if age % EVERY == 0 else before.seen
    rate = np.where(seen > before.mask, np.float32(_RISE), np.float32(_FALL))
    mask: Plane = (before.mask + rate * (seen - before.mask)).astype(np.float32)
    return Watched(seen, mask, age)


def looks(before: Watched | None) -> bool:
    """Whether `watch` will use its pictures."""
    return before is None or (before.age + 1) % EVERY == 0


def mask_at(watched: Watched, size: tuple[int, int]) -> Plane | None:
    """The share of the source at each pixel, [H, W]; None where the painting stands everywhere."""
    if float(watched.mask.max()) < _NOTHING:
        return None
    large = cv2.resize(watched.mask, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large * np.float32(_MOST), np.float32)


class Guard:
    """The stage of planes."""

    name, workers = "guard", 1

    def __init__(self) -> None:
        self._watched: Watched | None = None

    def __call__(self, frame: Frame) -> Frame:
        if frame.kept:
            self._watched = None if frame.cut else self._watched
            return told(frame, self)
        assert frame.rgb is not None and frame.painted is not None
        before = None if frame.cut else self._watched
        if looks(before):
            self._watched = watch(_small(frame.rgb), _small(frame.painted[:3]), before)
        else:
            self._watched = watch(frame.rgb, frame.painted, before)
        mask = mask_at(self._watched, frame.rgb.shape[1:])
        painted = frame.painted if mask is None else _eased(frame.painted, frame.rgb, mask)
        return told(replace(frame, painted=painted, rgb=None), self)

    def state(self) -> object:
        return self._watched

    def restore(self, state: Watched | None) -> None:
        self._watched = state


def _wrong(source: Picture, styled: Picture) -> Plane:
    return disagreement(regions(source), regions(styled))


def _small(picture: Picture) -> Picture:
    size = looked_at(picture.shape[1:])
    planes = [cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_AREA) for plane in picture]
    return np.asarray(np.stack(planes), np.float32)


def _eased(painted: Picture, source: Picture, mask: Plane) -> Picture:
    """The painting with `mask` of the source; its lines fade as much."""
    out = np.empty(painted.shape, np.float32)
    np.subtract(source, painted[:3], out=out[:3])
    out[:3] *= mask
    out[:3] += painted[:3]
    if len(painted) > 3:
        np.multiply(painted[3:], 1 - mask, out=out[3:])
    return out
