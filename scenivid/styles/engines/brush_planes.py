"""`nets.brush` for arrays, by OpenCV: a millisecond or two a frame, beside the network."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from scenivid.nets.brush import EVEN, offset_of, places_of, sigma, taps_of
from scenivid.styles.painter import Picture

_EDGE = cv2.BORDER_REPLICATE
cv: Any = cv2


def dabbed_planes(image: Picture, radius: int, out: Picture) -> None:
    """As `nets.brush.dabbed`.

    Args:
        image: [3, H, W] in [0, 1]; H and W even.
        radius: of a brush, in pixels.
        out: the same size; written to.
    """
    height, width = image.shape[1:]
    taps, far = taps_of(radius), offset_of(radius)
    kernel = np.exp(-0.5 * (np.arange(-taps, taps + 1) / sigma(radius)) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    around = np.zeros((2 * far + 1, 2 * far + 1), np.float32)
    for dy, dx in places_of(radius):
        around[far + dy, far + dx] += 1
    half = (width // 2, height // 2)
    small = cv.merge([cv.resize(plane, half, interpolation=cv2.INTER_AREA) for plane in image])
    mean = cv.sepFilter2D(small, -1, kernel, kernel, borderType=_EDGE)
    away = cv.subtract(small, mean)
    square = cv.transform(cv.multiply(away, away), np.ones((1, 3), np.float32))
    calm = cv.sepFilter2D(square, -1, kernel, kernel, borderType=_EDGE)
    even = 1 / (1 + np.float32(EVEN) * calm)
    calm = even * np.sqrt(even)  # to the power of HARDNESS
    total = np.maximum(cv.filter2D(calm, -1, around, borderType=_EDGE), np.float32(1e-6))
    for plane, target in zip(cv.split(mean), out, strict=True):
        flat = cv.filter2D(cv.multiply(plane, calm), -1, around, borderType=_EDGE)
        cv.resize(cv.divide(flat, total), (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
