"""Sky, vegetation and everything else, told by colour and texture: enough to see wrong things in a painting.

No network is behind it: a sky is even, bright and not green; vegetation is green and uneven. It knows
landscapes by daylight; where it doesn't know, it calls a place neither, and nothing disagrees there.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Picture = NDArray[np.float32]

SHORT = 144
"""Shorter side, in pixels, at which pictures are looked at."""
_REACH = 9
"""Side, in pixels, of the neighbourhood whose texture is measured."""
_LEAST = 0.35
_SURE = 0.6
"""Disagreement, averaged over a neighbourhood, from which on it counts, and counts fully."""


@dataclass(frozen=True, eq=False)
class Regions:
    """How much each place of a picture looks like …; [h, w], 0..1."""

    sky: Plane
    vegetation: Plane
    texture: Plane
    """Mean difference of the luma of neighbours, around it: little where there is one edge only."""


def looked_at(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width at which a picture of this height and width is looked at."""
    scale = min(1.0, SHORT / min(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def regions(small: Picture) -> Regions:
    """Of an RGB picture that is as small as `looked_at` says, [3, h, w] in [0, 1]."""
    red, green, blue = small
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    mean = _around(luma)
    texture = _around(_slopes(luma))
    leafy = _around(green - 0.5 * (red + blue), 5) / (0.2 + mean)
    height = np.linspace(1, 0, len(luma), dtype=np.float32)[:, None]
    even = _step(0.03, 0.015, texture)
    sky = even * _step(0.3, 0.42, mean) * _step(0.06, 0.02, leafy) * np.clip(0.35 + 1.3 * height, 0, 1)
    vegetation = _step(0.025, 0.07, leafy) * _step(0.008, 0.02, texture)
    return Regions(sky, vegetation, texture)


def disagreement(source: Regions, styled: Regions) -> Plane:
    """Where a painting shows something else than its source: 0 (or not known) to 1, [h, w].

    That is vegetation, or much texture, in the place of an even sky; and sky in the place of vegetation. Even
    places where there was texture are what painting is about, and another palette is no disagreement.
    """
    busy = _step(0.04, 0.07, styled.texture) * _step(2.0, 3.5, styled.texture / (source.texture + 0.005))
    wrong = np.maximum(source.sky * np.maximum(styled.vegetation, busy), source.vegetation * styled.sky)
    return _step(_LEAST, _SURE, _around(wrong))


def _around(plane: Plane, side: int = _REACH) -> Plane:
    """Means of neighbourhoods."""
    return np.asarray(cv2.blur(plane.astype(np.float32), (side, side)), np.float32)


def _slopes(luma: Plane) -> Plane:
    """Mean of the differences to the next pixel, across and down."""
    across = np.abs(np.diff(luma, axis=1, append=luma[:, -1:]))
    return (0.5 * (across + np.abs(np.diff(luma, axis=0, append=luma[-1:])))).astype(np.float32)


def _step(none: float, full: float, values: Plane) -> Plane:
    """0 up to (or down to) `none`, 1 from `full` on, smoothly between."""
    share = np.clip((values - none) / np.float32(full - none), 0, 1).astype(np.float32)
    smooth: Plane = share * share * (3 - 2 * share)
    return smooth
