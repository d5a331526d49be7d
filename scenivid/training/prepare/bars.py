"""Black bars around a film's picture, found over a whole shot: what is dark for a moment is no bar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenivid.training.prepare.picture import Box, Image, luma

_BLACK = 24
"""Levels of 255 that black may have after a codec."""
_STRAY = 0.02
"""Share of a bar's pixels that may be brighter."""
_LIT = 0.15
"""Share of the pixels that are brighter in the first lines of the picture itself."""
_THIN, _THICK = 0.012, 0.3
"""Least and largest bar, as a share of the side."""

Shares = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Darkness:
    """Which lines of a shot were black throughout."""

    rows: Shares
    """The largest share of pixels of each row, over the frames so far, that weren't black; [h]."""
    columns: Shares
    """Likewise, [w]."""

    def with_frame(self, grey: Image) -> Darkness:
        """This, after one more frame of the same size."""
        one = darkness(grey)
        return Darkness(np.maximum(self.rows, one.rows), np.maximum(self.columns, one.columns))


def darkness(grey: Image) -> Darkness:
    """Of one frame, [h, w]."""
    lit = grey > _BLACK
    return Darkness(lit.mean(axis=1), lit.mean(axis=0))


def inside(image: Image, dark: Darkness, before: Box | None = None) -> Box:
    """The part of a frame between its bars; all of it where there are none.

    Bars come in pairs of one width, and end sharply; those of the shot before are believed as long as they
    are black here as well, however dark the picture is.

    Args:
        image: RGB, [H, W, 3].
        dark: of its shot, of frames reduced by any factor.
        before: what this function gave for the shot before, of the same film.
    """
    height, width = image.shape[:2]
    rows, columns = _pair(dark.rows), _pair(dark.columns)
    if before is not None and _still(before, image, dark, rows, columns):
        return before
    grey = luma(image)
    top, bottom = _ends(grey, rows / len(dark.rows), 1)
    left, right = _ends(grey, columns / len(dark.columns), 0)
    return Box(left, top, width - left - right, height - top - bottom)


def _still(before: Box, image: Image, dark: Darkness, rows: int, columns: int) -> bool:
    """Whether earlier bars fit this shot as well, and no wider ones are seen."""
    height, width = image.shape[:2]
    right, bottom = width - before.left - before.width, height - before.top - before.height
    if min(right, bottom) < 0 or not (before.left or before.top):
        return False
    high, wide = len(dark.rows), len(dark.columns)
    top, foot = round(before.top * high / height), round(bottom * high / height)
    left, end = round(before.left * wide / width), round(right * wide / width)
    if rows > top + 1 or columns > left + 1:
        return False
    edges = (dark.rows[:top], dark.rows[high - foot :], dark.columns[:left], dark.columns[wide - end :])
    return all(bool((edge <= _STRAY).all()) for edge in edges)


def _pair(shares: Shares) -> int:
    """Width of the two bars at the ends, in lines of the reduced frame; 0 for none."""
    count = len(shares)
    lit = np.flatnonzero(shares > _STRAY)
    if not len(lit):
        return 0
    first, last = int(lit[0]), count - 1 - int(lit[-1])
    narrow, broad = min(first, last), max(first, last)
    if broad - narrow > max(2, 0.12 * broad) or not _THIN * count <= narrow or broad > _THICK * count:
        return 0
    sharp = min(shares[first : first + 4].max(), shares[count - last - 4 : count - last].max())
    return narrow if sharp >= _LIT else 0


def _ends(grey: Image, share: float, axis: int) -> tuple[int, int]:
    """Width in full pixels of both bars, the smeared line beside them included."""
    if share == 0:
        return 0, 0
    lit = (grey > _BLACK).mean(axis=axis)
    count = len(lit)
    near = round(share * count)
    reach = max(3, count // 100)
    found = []
    for line in (lit, lit[::-1]):
        edge = next((i for i in range(max(0, near - reach), near + reach) if line[i] > _STRAY), near)
        found.append(min(edge + 2, count // 2 - 1))
    return found[0], found[1]
