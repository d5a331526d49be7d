"""The end of a Lite network for arrays: what its last convolutions give, laid on the image, strip by strip.

Putting pixels in their places and adding them costs a third as much here as it does in the graph, where every
step goes through memory. Two pixels beside each other are moved as one number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenivid.colour import Matrix, to_planes
from scenivid.styles.painter import Picture

_STRIP = 10
"""Rows of the half-size result that are worked on at once: what is made of them stays in the cache."""


def laid_on(raw: NDArray[Any], image: Picture, base: Picture | None, edge: int, out: Picture) -> None:
    """Paint over the image: x + c · (b − x) + p, as at the end of `nets.lite`.

    Args:
        raw: what the network gives at half the size, [H/2, W/2, 4 · (colours, maybe line, cover)]:
            of each, the four pixels of a 2×2 block. Float32, or 16 bits that hold bfloat16.
        image: x, [3, h, w].
        base: b at half the size, [3, H/2, W/2]; None for grey.
        edge: pixels of H and W before those of h and w, even.
        out: [3 or 4, h, w], clamped to [0, 1]: colours and maybe line; h and w even.
    """
    for _ in _strips(raw, image, base, edge, lambda rows: out[:, rows]):
        pass


def laid_on_planes(
    raw: NDArray[Any], image: Picture, base: Picture | None, edge: int, matrix: Matrix
) -> tuple[Picture, Picture, Picture | None]:
    """The same as luma, chroma and line, without the picture in between; see `laid_on` and `to_planes`."""
    _, height, width = image.shape
    channels = raw.shape[2] // 4 - 1
    luma, chroma = np.empty((height, width), np.float32), np.empty((2, height // 2, width // 2), np.float32)
    line = np.empty((height, width), np.float32) if channels > 3 else None
    strip = np.empty((channels, 2 * _STRIP, width), np.float32)
    for rows in _strips(raw, image, base, edge, lambda rows: strip[:, : rows.stop - rows.start]):
        halves, painted = slice(rows.start // 2, rows.stop // 2), strip[:, : rows.stop - rows.start]
        luma[rows], chroma[:, halves] = to_planes(painted[:3], matrix)
        if line is not None:
            line[rows] = painted[3]
    return luma, chroma, line


def _strips(
    raw: NDArray[Any],
    image: Picture,
    base: Picture | None,
    edge: int,
    place: Callable[[slice], Picture],
) -> Iterator[slice]:
    """Paint strip after strip and tell which rows; `place` gives what is written to, [3 or 4, rows, w]."""
    _, height, width = image.shape
    channels = raw.shape[2] // 4 - 1
    columns = slice(edge, edge + width)
    across, parts = raw.shape[1], raw.shape[2] // 2
    pair = np.dtype(np.float64 if raw.itemsize == 4 else np.float32)
    turned = np.empty((parts, _STRIP * across), pair)
    widened = np.empty((parts, 2 * _STRIP * across), np.uint32)
    large = np.empty((3, 2 * _STRIP + 4, 2 * across), np.float32)
    moved = np.empty((_STRIP, width), np.float32)
    grey = np.full((_STRIP, width), 0.5, np.float32)
    for top in range(0, height, 2 * _STRIP):
        bottom = min(top + 2 * _STRIP, height)
        first, count = (edge + top) // 2, (bottom - top) // 2
        spread: NDArray[Any] = turned[:, : count * across]
        cv2.transpose(raw[first : first + count].view(pair).reshape(-1, parts), dst=spread)
        if raw.itemsize == 2:
            floats = widened[:, : 2 * count * across]
            np.copyto(floats, spread.view(np.uint16))
            spread = np.left_shift(floats, 16, out=floats)
        paint = spread.view(np.float32).reshape(-1, 2, count, 2 * across)[..., columns]
        share = np.clip(paint[-1], 0, 1, out=paint[-1])
        rows = slice(top, bottom)
        below, result = _by_parity(image[:, rows]), _by_parity(place(rows))
        under = None
        if base is not None:
            under = _by_parity(_enlarged(base, first, first + count, large)[..., columns])
        for colour in range(3):
            for row in range(2):
                source, painted = below[colour, row], paint[colour, row]
                over = grey[:count] if under is None else under[colour, row]
                cv2.subtract(over, source, dst=moved[:count])
                cv2.accumulateProduct(moved[:count], share[row], painted)
                cv2.add(painted, source, dst=painted)
        np.clip(paint[:channels], 0, 1, out=result)
        yield rows


def _by_parity(rows: Picture) -> Picture:
    """[c, 2·n, w] as [c, 2, n, w]: even rows, then odd ones."""
    channels, height, width = rows.shape
    return rows.reshape(channels, height // 2, 2, width).swapaxes(1, 2)


def _enlarged(base: Picture, first: int, last: int, large: Picture) -> Picture:
    """Rows `first` to `last` of the half-size picture, twice as large, in `large`."""
    begin, end = max(0, first - 1), min(base.shape[1], last + 1)
    large = large[:, : 2 * (end - begin)]
    for plane, out in zip(base[:, begin:end], large, strict=True):
        cv2.resize(plane, out.shape[::-1], dst=out, interpolation=cv2.INTER_LINEAR)
    return large[:, 2 * (first - begin) :][:, : 2 * (last - first)]
