"""A frame as a Lite network wants it: extended, channels last; and at half the size for its brush."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenivid.nets.lite_shape import BORDER, MULTIPLE
from scenivid.styles.painter import Picture

_STRIP = 32
"""Rows that are worked on at once; even, and more than `MULTIPLE`."""


def extended_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a frame made a multiple of what the network takes, with its border around."""
    height, width = (-(-side // MULTIPLE) * MULTIPLE + 2 * BORDER for side in size)
    return height, width


def extend(rgb: Picture, image: NDArray[Any], half: Picture | None) -> None:
    """Mirror a frame up to the multiple, as `frames.pad` has it, then repeat its last pixels.

    Args:
        rgb: [3, h, w] in [0, 1].
        image: written to; [H, W, 3] of `extended_size`: float32, or bytes, which are rounded.
        half: written to, if it is wanted: means of 2×2 pixels of it, [3, H/2, W/2].
    """
    height, width = rgb.shape[1:]
    below, beside = image.shape[0] - height - 2 * BORDER, image.shape[1] - width - 2 * BORDER
    mirrored = below < height and beside < width
    for rows in _strips(height):
        first, last = rows.start == 0, rows.stop == height
        sides = BORDER if first else 0, below if last else 0, beside, BORDER if last else 0
        wide = [_bordered(plane[rows], *sides, mirrored) for plane in rgb]
        begin = 0 if first else rows.start + BORDER
        place = image[begin : begin + wide[0].shape[0]]
        if image.dtype == np.uint8:
            cv2.convertScaleAbs(cv2.merge(wide), dst=place, alpha=255)
        else:
            cv2.merge(wide, dst=place)
        if half is not None:
            for plane, out in zip(wide, half[:, begin // 2 :], strict=True):
                size = (plane.shape[1] // 2, plane.shape[0] // 2)
                cv2.resize(plane, size, dst=out[: size[1]], interpolation=cv2.INTER_AREA)


def _strips(height: int) -> Iterator[slice]:
    """Rows of each; the last are no fewer than the others, if there are so many."""
    count = max(1, height // _STRIP)
    for index in range(count):
        yield slice(index * _STRIP, height if index == count - 1 else (index + 1) * _STRIP)


def _bordered(plane: Picture, above: int, below: int, beside: int, last: int, mirrored: bool) -> Picture:
    """Some rows with what is mirrored `below` and `beside` them, and what is repeated around those."""
    if below or beside:
        how = cv2.BORDER_REFLECT_101 if mirrored else cv2.BORDER_REPLICATE
        plane = np.asarray(cv2.copyMakeBorder(plane, 0, below, 0, beside, how), np.float32)
    return np.asarray(
        cv2.copyMakeBorder(plane, above, last, BORDER, BORDER, cv2.BORDER_REPLICATE), np.float32
    )
