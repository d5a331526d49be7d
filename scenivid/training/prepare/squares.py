"""Squares of a picture: beside each other along its longer side, with its aspect kept."""

from __future__ import annotations

import numpy as np
from PIL import Image as Pil

from scenivid.training.prepare.picture import Box, Image

_APART = 0.1
"""Least distance of two squares, in sides: nearer ones would be the same picture."""


def squares(image: Image, box: Box, count: int, size: int, aspect: float = 1.0) -> list[Image]:
    """`count` squares: the ends and between them, as many as differ; or the whole, for `count` = 0.

    The paper's three squares of a frame are its left, its middle and its right.

    Args:
        image: RGB, [H, W, 3].
        box: the part to take them from.
        count: squares at most; 0 = all of `box`, whatever its shape.
        size: side (the shorter one of a whole) in pixels; what has fewer isn't enlarged.
        aspect: width of one pixel of `image`, over its height.

    Returns:
        [side, side, 3] each.
    """
    width, height = box.width * aspect, float(box.height)
    side = min(width, height)
    scale = min(1.0, size / side)
    picture = Pil.fromarray(image)
    if count == 0:
        shape = (max(1, round(width * scale)), max(1, round(height * scale)))
        bounds = [(0.0, 0.0, width, height)]
    else:
        shape = (max(1, round(side * scale)),) * 2
        free = max(width, height) - side
        number = min(count, 1 + int(free / side / _APART))
        starts = [free / 2] if number == 1 else [free * i / (number - 1) for i in range(number)]
        wide = width >= height
        bounds = [(at, 0.0, at + side, side) if wide else (0.0, at, side, at + side) for at in starts]
    made = []
    for left, top, right, bottom in bounds:
        part = (
            box.left + left / aspect,
            box.top + top,
            min(box.left + right / aspect, box.left + box.width),
            min(box.top + bottom, box.top + box.height),
        )
        made.append(np.asarray(picture.resize(shape, Pil.Resampling.LANCZOS, box=part)))
    return made
