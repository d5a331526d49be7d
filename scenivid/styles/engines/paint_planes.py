"""The end of a Lite network for arrays: what its last convolutions give, laid on the image, strip by strip.

Putting pixels in their places and adding them costs a third as much here as it does in the graph, where every
step goes through memory. Two pixels beside each other are moved as one number of 64 bits.
"""

from __future__ import annotations

import cv2
import numpy as np

from scenivid.styles.painter import Picture

_STRIP = 18
"""Rows of the network's half-size result that are worked on at once."""


def laid_on(raw: Picture, image: Picture, base: Picture | None, edge: int, out: Picture) -> None:
    """Paint over the image: x + c · (b − x) + p, as at the end of `nets.lite`.

    Args:
        raw: what the network gives at half the size, [H/2, W/2, 4 · (colours, maybe line, cover)]:
            of each, the four pixels of a 2×2 block.
        image: x, [3, H, W].
        base: b at half the size, [3, H/2, W/2]; None for grey.
        edge: pixels around the frame that aren't wanted, even.
        out: [3 or 4, h, w], clamped to [0, 1]: colours and maybe line; h and w even.
    """
    channels, height, width = out.shape
    columns = slice(edge, edge + width)
    across, parts = raw.shape[1], raw.shape[2] // 2
    turned = np.empty((parts, _STRIP * across), np.float64)
    change = np.empty((3, 2, _STRIP, width), np.float32)
    for top in range(0, height, 2 * _STRIP):
        bottom = min(top + 2 * _STRIP, height)
        first, count = (edge + top) // 2, (bottom - top) // 2
        spread = turned[:, : count * across]
        cv2.transpose(raw[first : first + count].view(np.float64).reshape(-1, parts), dst=spread)
        paint = spread.view(np.float32).reshape(-1, 2, count, 2 * across)[..., columns]
        below = _by_parity(image[:, edge + top : edge + bottom, columns])
        under: Picture | float = 0.5
        if base is not None:
            under = _by_parity(_enlarged(base, first, first + count)[:, :, columns])
        share, colours, moved = paint[-1], paint[:3], change[:, :, :count]
        np.clip(share, 0, 1, out=share)
        np.subtract(under, below, out=moved)
        moved *= share
        colours += moved
        colours += below
        np.clip(paint[:channels], 0, 1, out=_by_parity(out[:, top:bottom]))


def _by_parity(rows: Picture) -> Picture:
    """[c, 2·n, w] as [c, 2, n, w]: even rows, then odd ones."""
    channels, height, width = rows.shape
    return rows.reshape(channels, height // 2, 2, width).swapaxes(1, 2)


def _enlarged(base: Picture, first: int, last: int) -> Picture:
    """Rows `first` to `last` of the half-size picture, twice as large."""
    begin, end = max(0, first - 1), min(base.shape[1], last + 1)
    large = np.empty((3, 2 * (end - begin), 2 * base.shape[2]), np.float32)
    for plane, out in zip(base[:, begin:end], large, strict=True):
        cv2.resize(plane, out.shape[::-1], dst=out, interpolation=cv2.INTER_LINEAR)
    return large[:, 2 * (first - begin) :][:, : 2 * (last - first)]
