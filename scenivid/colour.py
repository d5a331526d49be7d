"""RGB and the luma–chroma planes that videos store, on the CPU: float32 arrays, chroma at half size.

    luma = kr·R + kg·G + kb·B,   Cb = (B − luma) / (2 − 2kb),   Cr = (R − luma) / (2 − 2kr)

As bytes, limited range holds luma in 16..235 and chroma in 16..240 around 128, full range in 0..255.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[Any]
"""[H, W]."""
_STRIP = 64 * 1024
"""Pixels of a strip, about."""


@dataclass(frozen=True)
class Matrix:
    """Weights of red and blue in luma."""

    red: float
    blue: float

    @property
    def green(self) -> float:
        """Weight of green in luma."""
        return 1 - self.red - self.blue


MATRICES = {
    "bt709": Matrix(0.2126, 0.0722),
    "smpte170m": Matrix(0.299, 0.114),
    "bt470bg": Matrix(0.299, 0.114),
    "fcc": Matrix(0.3, 0.11),
    "smpte240m": Matrix(0.212, 0.087),
    "bt2020nc": Matrix(0.2627, 0.0593),
}
"""By FFmpeg's name."""


@dataclass(frozen=True)
class Levels:
    """How numbers hold values: number = offset + scale · value."""

    scale: float
    offset: float


FLOATS = Levels(1.0, 0.0)
"""Values as they are."""
LUMA, CHROMA = Levels(219.0, 16.0), Levels(224.0, 128.0)
"""Bytes of limited range."""
FULL_LUMA, FULL_CHROMA = Levels(255.0, 0.0), Levels(255.0, 128.0)
"""Bytes of full range."""


def levels(full_range: bool) -> tuple[Levels, Levels]:
    """Those of luma and of chroma."""
    return (FULL_LUMA, FULL_CHROMA) if full_range else (LUMA, CHROMA)


def to_values(numbers: Plane, held: Levels, out: Plane | None = None) -> Plane:
    """Bytes to float32 values, any shape of one or two axes."""
    if out is None:
        out = np.empty(numbers.shape, np.float32)
    factor = 1 / held.scale
    cv2.addWeighted(numbers, factor, numbers, 0, -held.offset * factor, dst=out, dtype=cv2.CV_32F)
    return out


def to_bytes(values: Plane, wanted: Levels, out: Plane) -> None:
    """Float32 values to bytes, rounded and clamped; both [H, W]."""
    cv2.addWeighted(values, wanted.scale, values, 0, wanted.offset, dst=out, dtype=cv2.CV_8U)


def to_planes(rgb: Plane, matrix: Matrix, whole: bool = False) -> tuple[Plane, Plane]:
    """RGB to luma and chroma.

    Args:
        rgb: float32 in [0, 1], [3, H, W], contiguous.
        whole: whether chroma stays at full size.

    Returns:
        Luma [H, W] and chroma, [2, H, W], or [2, ⌈H/2⌉, ⌈W/2⌉] of means of 2 × 2 pixels.
    """
    height, width = rgb.shape[1:]
    size = (height, width) if whole else (-(-height // 2), -(-width // 2))
    luma, chroma = np.empty((height, width), np.float32), np.empty((2, *size), np.float32)
    for rows in _strips(height, width):
        grey = luma[rows]
        cv2.addWeighted(rgb[0, rows], matrix.red, rgb[1, rows], matrix.green, 0, dst=grey)
        cv2.addWeighted(grey, 1, rgb[2, rows], matrix.blue, 0, dst=grey)
        there = rows if whole else slice(rows.start // 2, -(-rows.stop // 2))
        light = grey if whole else halved(grey)
        for out, colour, weight in ((chroma[0], rgb[2], matrix.blue), (chroma[1], rgb[0], matrix.red)):
            tint = colour[rows] if whole else halved(colour[rows])
            scale = 0.5 / (1 - weight)
            cv2.addWeighted(tint, scale, light, -scale, 0, dst=out[there])
    return luma, chroma


def to_rgb(luma: Plane, chroma: Plane, matrix: Matrix, clamped: bool = False) -> Plane:
    """Luma and chroma (of any size) to RGB.

    Args:
        luma: float32, [H, W].
        chroma: float32, [2, h, w]; enlarged linearly where it is smaller.
        clamped: to [0, 1].

    Returns:
        float32, [3, H, W].
    """
    height, width = luma.shape
    blue, red = (plane if plane.shape == luma.shape else _enlarged(plane, height, width) for plane in chroma)
    rgb = np.empty((3, height, width), np.float32)
    for rows in _strips(height, width):
        grey, (first, second, third) = luma[rows], rgb[:, rows]
        cv2.addWeighted(grey, 1, red[rows], 2 * (1 - matrix.red), 0, dst=first)
        cv2.addWeighted(grey, 1, blue[rows], 2 * (1 - matrix.blue), 0, dst=third)
        cv2.addWeighted(grey, 1 / matrix.green, first, -matrix.red / matrix.green, 0, dst=second)
        cv2.addWeighted(second, 1, third, -matrix.blue / matrix.green, 0, dst=second)
        if clamped:
            np.clip(rgb[:, rows], 0, 1, out=rgb[:, rows])
    return rgb


def _strips(height: int, width: int) -> Iterator[slice]:
    """Rows that stay in the processor's cache with what is made from them; even but for the last."""
    rows = max(2, _STRIP // width // 2 * 2)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def halved(plane: Plane) -> Plane:
    """Means of 2×2 pixels, the border repeated; sides round up."""
    height, width = plane.shape
    if height % 2 or width % 2:
        plane = cv2.copyMakeBorder(plane, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return cv2.resize(plane, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)


def _enlarged(plane: Plane, height: int, width: int) -> Plane:
    """2 × enlargement with the same centres for odd sizes, whose last sample is half beyond the border."""
    rows, columns = plane.shape
    even = cv2.resize(plane, (2 * columns, 2 * rows), interpolation=cv2.INTER_LINEAR)
    if 0 <= 2 * rows - height <= 1 and 0 <= 2 * columns - width <= 1:
        return np.ascontiguousarray(even[:height, :width])
    return cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
