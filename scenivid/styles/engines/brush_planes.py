"""`nets.brush` for arrays, by OpenCV: a millisecond or two a frame, beside the network."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from scenivid.nets.brush import EVEN, offset_of, places_of, sigma, taps_of
from scenivid.styles.painter import Picture

_EDGE = cv2.BORDER_REPLICATE
cv: Any = cv2


def dabbed_planes(small: Picture, radius: int, out: Picture) -> None:
    """As `nets.brush.dabbed`, between halving and enlarging.

    Args:
        small: an image at half its size, [3, h, w] in [0, 1]; overwritten.
        radius: of a brush, in pixels.
        out: [3, h, w]; written to.
    """
    taps, far = taps_of(radius), offset_of(radius)
    kernel = np.exp(-0.5 * (np.arange(-taps, taps + 1) / sigma(radius)) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    around = np.zeros((2 * far + 1, 2 * far + 1), np.float32)
    for dy, dx in places_of(radius):
        around[far + dy, far + dx] += 1
    means = [cv.sepFilter2D(plane, -1, kernel, kernel, borderType=_EDGE) for plane in small]
    for plane, mean in zip(small, means, strict=True):
        cv.subtract(plane, mean, dst=plane)
        cv.multiply(plane, plane, dst=plane)
    square = cv.add(cv.add(small[0], small[1], dst=small[0]), small[2], dst=small[0])
    even = cv.sepFilter2D(square, -1, kernel, kernel, dst=small[1], borderType=_EDGE)
    even *= np.float32(EVEN)
    even += 1
    np.divide(1, even, out=even)
    calm = cv.multiply(even, cv.sqrt(even, dst=small[0]), dst=small[0])  # to the power of HARDNESS
    total = np.maximum(cv.filter2D(calm, -1, around, dst=small[1], borderType=_EDGE), np.float32(1e-6))
    for plane, target in zip(means, out, strict=True):
        cv.multiply(plane, calm, dst=plane)
        cv.divide(cv.filter2D(plane, -1, around, dst=small[2], borderType=_EDGE), total, dst=target)
