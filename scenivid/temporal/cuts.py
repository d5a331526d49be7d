"""Shot changes found in the stream: decided at each frame from it and the frames before, never later ones.

The content score of PySceneDetect says how much a frame differs from the one before; alone it also fires on
flashes, fast pans and quick fades. A cut must moreover stand out from the scores just before it, and the
picture must be a new one: unlike the last frames even after shifting it and undoing a change of light.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenivid.flow.consistency import shrink, working_size
from scenivid.pixels import Clip, to_float, to_pixels

if TYPE_CHECKING:
    from torch import Tensor

Image = NDArray[np.uint8]
Thumb = NDArray[np.float32]

SIDE = 256
"""Longer side, in pixels, of the pictures that are compared."""
_THUMB = (54, 96)
_LEAST_SCORE = 10.0
"""Content score below which two frames are never different shots (PySceneDetect's default cut is 27)."""
_STANDOUT = 2.5
"""A cut's score exceeds this many times the recent ones: motion that starts is slower than that."""
_SMOOTH = 3.0
"""Standard deviation, in thumbnail pixels, of the blur that is taken off."""
_ALIKE = 0.4
"""Correlation of thumbnails above which two frames show the same scene."""
_REMEMBERED = 4
"""Frames; a flash shorter than this leads back to a remembered picture."""
_FLAT = 0.012
"""Contrast below which a frame is blank."""
_EMERGED = 0.1
"""Contrast of a picture that follows a blank one by a cut; one that fades in starts fainter."""


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is remembered of one frame."""

    thumb: Thumb
    """Fine luma (without its smooth part, which all landscapes share), [54, 96]."""
    score: float
    """PySceneDetect's content score against the frame before."""
    contrast: float
    """Standard deviation of luma in [0, 1]."""

    @property
    def blank(self) -> bool:
        """True for black, for white and for the end of a fade."""
        return self.contrast < _FLAT


class CutDetector:
    """Finds the first frame of each shot, without look-ahead and without growing."""

    def __init__(self) -> None:
        self._past: deque[_Seen] = deque(maxlen=_REMEMBERED)
        self._count = 0
        self._last: Image | None = None

    def cuts(self, clip: Clip) -> list[bool]:
        """True for each frame of `clip` that begins a shot; the first frame ever does."""
        return [self.is_cut(thumbnail(frame[None])) for frame in clip.pixels]

    def is_cut(self, image: Image) -> bool:
        """The same for one frame that is small already.

        Args:
            image: blue, green and red, [h, w, 3], its longer side about `SIDE` pixels, or less where the
                frame has less; kept, so don't change it afterwards.
        """
        seen = self._look(image)
        begins = self._count == 0 or _begins_shot(seen, list(self._past))
        self._past.append(seen)
        self._count += 1
        self._last = image
        return begins

    def state(self) -> Mapping[str, NDArray[Any]]:
        """What is remembered, as named arrays; empty before the first frame."""
        if self._last is None:
            return {}
        return {
            "count": np.array(self._count),
            "image": self._last,
            "thumbs": np.stack([seen.thumb for seen in self._past]),
            "scores": np.array([seen.score for seen in self._past]),
            "contrasts": np.array([seen.contrast for seen in self._past]),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what `state` returned."""
        self.__init__()  # type: ignore[misc]
        if not state:
            return
        self._last = state["image"]
        self._count = int(state["count"])
        rows = zip(state["thumbs"], state["scores"], state["contrasts"], strict=True)
        self._past.extend(_Seen(thumb, float(score), float(contrast)) for thumb, score, contrast in rows)

    def _look(self, image: Image) -> _Seen:
        score = 0.0
        if self._last is not None and self._last.shape == image.shape:
            score = _content_score(self._last, image)
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        thumb = cv2.resize(grey, _THUMB[::-1], interpolation=cv2.INTER_AREA) / np.float32(255)
        fine = (thumb - cv2.GaussianBlur(thumb, (0, 0), _SMOOTH)).astype(np.float32)
        return _Seen(fine, score, float(thumb.std()))


def thumbnail(pixels: Tensor) -> Image:
    """[1, 3, H, W] as the detector wants it."""
    small = shrink(to_float(pixels), working_size(pixels.shape[-2], pixels.shape[-1], SIDE))
    return np.ascontiguousarray(to_pixels(small)[0].permute(1, 2, 0).flip(-1).numpy())


def _content_score(one: Image, other: Image) -> float:
    """Mean difference of hue, saturation and value in OpenCV's 8-bit ranges: PySceneDetect's score."""
    hsv = [cv2.cvtColor(image, cv2.COLOR_BGR2HSV) for image in (one, other)]
    return float(cv2.absdiff(hsv[0], hsv[1]).mean())


def _begins_shot(now: _Seen, past: list[_Seen]) -> bool:
    recent = [seen.score for seen in past[1:]] or [0.0]
    if now.score < _LEAST_SCORE or now.score < _STANDOUT * float(np.median(recent)):
        return False
    if now.contrast < (_EMERGED if past[-1].blank else _FLAT):
        return False  # a flash, the end of a fade or the start of one
    return all(seen.blank or _likeness(now.thumb, seen.thumb) < _ALIKE for seen in past)


def _likeness(one: Thumb, other: Thumb) -> float:
    """Largest correlation of two thumbnails over shifts of up to a quarter of their size."""
    height, width = one.shape
    tall, wide = height // 4, width // 4
    core = one[tall : height - tall, wide : width - wide]
    back = other[tall : height - tall, wide : width - wide]
    return max(_correlate(other, core), _correlate(one, back))


def _correlate(whole: Thumb, part: Thumb) -> float:
    if part.std() < _FLAT / 4:
        return 0.0
    return float(
        np.nan_to_num(cv2.matchTemplate(whole, part, cv2.TM_CCOEFF_NORMED), posinf=0.0, neginf=0.0).max()
    )
