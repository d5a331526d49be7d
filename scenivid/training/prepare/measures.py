"""What a picture is like: light, contrast, blur, lettering. All of reduced pictures (`picture.reduced`)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scenivid.training.prepare.picture import Image

_SPAN = 9
"""Pixels over which a picture is blurred again to see how much that changes it."""
_PARTS = 5
"""Parts that are looked at, across and down."""
_FAINT = 0.5
"""Mean difference of neighbours, in levels, that a part with edges has."""
_EVEN = 4
"""Levels of 255 that a flat place may differ from its neighbours."""
_STROKE = 56
"""Levels of 255 by which letters stand out from what is around them."""
_UNIFORM = 0.33
"""Standard deviation of the luma within a letter, over its contrast: thin ones are grey at their edges."""
_MANY = 1500
"""Marks in a picture beyond which they are leaves or waves, not letters."""
_WORD = 5
"""Letters in a row that make a line."""


@dataclass(frozen=True)
class Lettering:
    """Lines of letters in a picture."""

    lines: int
    share: float
    """Of the area, 0..1, that their boxes take."""


def blur(grey: Image) -> float:
    """How blurred the sharpest parts of a picture are, 0 (sharp) to 1: what lies out of focus doesn't count.

    The share of a part's edges that one more blur leaves as they are (Crété-Roffet et al. 2007, "The blur
    effect"), of the second sharpest of those parts that have edges.
    """
    image = grey.astype(np.float32)
    found, edges = [], []
    for axis, size in ((0, (1, _SPAN)), (1, (_SPAN, 1))):
        again = cv2.blur(image, size)
        before, after = np.abs(np.diff(image, axis=axis)), np.abs(np.diff(again, axis=axis))
        lost = np.maximum(before - after, 0)
        sums = [cv2.resize(plane, (_PARTS, _PARTS), interpolation=cv2.INTER_AREA) for plane in (before, lost)]
        found.append(1 - sums[1] / np.maximum(sums[0], 1e-6))
        edges.append(sums[0])
    soft, strong = np.maximum(*found).ravel(), (edges[0] + edges[1]).ravel()
    clear = np.sort(soft[strong >= max(_FAINT, 0.25 * float(strong.max()))])
    return float(clear[min(1, len(clear) - 1)]) if len(clear) else 1.0


def flat_share(grey: Image) -> float:
    """Share of the area without any detail."""
    span = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    return float((span <= _EVEN).mean())


def lettering(grey: Image) -> Lettering:
    """Find lines of letters: rows of marks of one height and one luma that stand out from what is around."""
    height, width = grey.shape
    side = max(3, round(0.04 * height)) | 1
    kernel = np.ones((side, side), np.uint8)
    lines, area = 0, 0.0
    for hat in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        marks = _marks(grey, np.asarray(cv2.morphologyEx(grey, hat, kernel), np.uint8))
        for group in _rows(marks):
            left, top, right, bottom = marks[group, :4].T
            across, down = right.max() - left.min(), bottom.max() - top.min()
            if across >= 3 * down and down <= 2.2 * float(np.median(bottom - top)):
                lines += 1
                area += float(across * down)
    return Lettering(lines, min(1.0, area / (height * width)))


def _marks(grey: Image, contrast: Image) -> NDArray[np.float64]:
    """Marks that may be letters: left, top, right, bottom, mean luma of each, [N, 5], sorted by the left."""
    height, width = grey.shape
    mask = (contrast > _STROKE).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    sizes = np.bincount(labels.ravel(), minlength=count).clip(min=1)
    values = grey.astype(np.float64).ravel()
    mean = np.bincount(labels.ravel(), values, count) / sizes
    square = np.bincount(labels.ravel(), values**2, count) / sizes
    strength = np.bincount(labels.ravel(), contrast.ravel().astype(np.float64), count) / sizes
    wide, high, area = (stats[:, column].astype(np.float64) for column in (2, 3, 4))
    fill = area / (wide * high)
    letter = (
        (high >= max(4, 0.012 * height))
        & (high <= 0.12 * height)
        & (wide <= 0.2 * width)
        & (fill > 0.15)
        & (square - mean**2 < (_UNIFORM * strength) ** 2)
    )
    letter[0] = False  # the background
    left, top = stats[letter, 0].astype(np.float64), stats[letter, 1].astype(np.float64)
    found = np.stack([left, top, left + wide[letter], top + high[letter], mean[letter]], axis=1)
    if len(found) > _MANY:
        return found[:0]
    return found[np.argsort(found[:, 0], kind="stable")]


def _rows(marks: NDArray[np.float64]) -> list[list[int]]:
    """Groups of at least `_WORD` marks, each the right neighbour of another."""
    left, top, right, bottom, tone = marks.T
    high, middle = bottom - top, (top + bottom) / 2
    last: dict[int, list[int]] = {}
    groups: list[list[int]] = []
    for i in range(len(marks)):
        tall = np.maximum(high[:i], high[i])
        fits = (
            (np.abs(middle[:i] - middle[i]) < 0.4 * tall)
            & (np.minimum(high[:i], high[i]) > 0.45 * tall)
            & (left[i] - right[:i] < 1.5 * tall)
            & (left[i] - right[:i] > -0.2 * tall)
            & (np.abs(tone[:i] - tone[i]) < 24)
        )
        near = np.flatnonzero(fits)
        group = last[int(near[np.argmax(right[near])])] if len(near) else []
        if not group:
            groups.append(group)
        group.append(i)
        last[i] = group
    return [group for group in groups if len(group) >= _WORD]
