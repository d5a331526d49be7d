"""One picture of a film or one photograph, and the reduced copy on which it is judged."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
SHORT = 288
"""Shorter side, in pixels, of the copies that are judged: about that of the squares that are kept."""


@dataclass(frozen=True)
class Box:
    """A part of a picture, in its own pixels."""

    left: int
    top: int
    width: int
    height: int

    def of(self, image: Image) -> Image:
        """That part of [H, W, …]."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


def whole_box(image: Image) -> Box:
    """All of [H, W, …]."""
    return Box(0, 0, image.shape[1], image.shape[0])


def reduced(image: Image, aspect: float = 1.0) -> Image:
    """[H, W, 3] with square pixels and a shorter side of at most `SHORT`.

    Args:
        aspect: width of one pixel of `image`, over its height.
    """
    height, width = image.shape[0], image.shape[1] * aspect
    scale = min(1.0, SHORT / min(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size == (image.shape[1], image.shape[0]):
        return image
    return resized(image, size)


def resized(image: Image, size: tuple[int, int]) -> Image:
    """[H, W, 3] at `size` (width, height), each pixel the mean of what it covers."""
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def luma(image: Image) -> Image:
    """RGB [H, W, 3] as grey [H, W]."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
