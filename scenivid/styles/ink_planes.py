"""Lines on planes of luma and chroma: `ink.compose`, band by band while the planes are made.

Luma (and any plane of RGB) keeps the formula:  Y' = Y · (1 − a · (1 − t − l·Y)).
Chroma: with F = Y + δ for each of R, G, B, and squares of δ left out,
    δ' = δ · (1 − a · (1 − t − 2·l·Y)) + a · Y · (t_F − t)
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from scenivid.colour import Matrix, Plane
from scenivid.ink import LOCAL, TINT
from scenivid.styles.finish_planes import Bands

FAINT = 1 / 1024
"""Ink that darkens by less than half a step of 8 bits."""


def mean_tint(matrix: Matrix) -> float:
    """What a full line leaves of white's luma, but for what it takes on from below."""
    return TINT[0] * matrix.red + TINT[1] * matrix.green + TINT[2] * matrix.blue


class LumaInk:
    """Draws a line field on luma, or on a plane of RGB, of any size; tells what chroma needs to know."""

    def __init__(
        self,
        line: Plane,
        size: tuple[int, int],
        ink: float,
        tint: float,
        scale: float = 1,
        half: bool = False,
    ) -> None:
        """Args:
        line: 0..1, [h, w] float32.
        size: height and width of the plane; `line` is enlarged linearly to it.
        ink: darkness of lines, 0..1.
        tint: what a full line leaves of white.
        scale: what white is in the plane.
        half: whether to keep `paled` and `drawn`.
        """
        self._amount = line * np.float32(ink)
        self._bands, self._same = Bands(line.shape, size), line.shape == size
        self._seen = self._amount.max(axis=1) > FAINT
        self._tint, self._scale = tint, scale
        self._half = half
        sides = tuple(-(-side // 2) for side in size) if half else (0, 0)
        self.paled: Plane = np.zeros(sides, np.float32)
        """a · (1 − t − 2·l·Y) at half size."""
        self.drawn: Plane = np.zeros(sides, np.float32)
        """a · Y at half size."""

    def __call__(self, values: Plane, rows: slice) -> Plane | None:
        if not self._bands.rows_of(self._seen, rows).any():
            return None
        amount = self._amount[rows] if self._same else self._bands.enlarged(self._amount, rows)
        clear = 1 - self._tint
        if self._half:
            halves = slice(rows.start // 2, -(-rows.stop // 2))
            size = (self.paled.shape[1], halves.stop - halves.start)
            small = cv2.resize(amount, size, interpolation=cv2.INTER_AREA)
            level = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
            cv2.multiply(small, level, dst=self.drawn[halves], scale=1 / self._scale)
            cv2.addWeighted(small, clear, self.drawn[halves], -2 * LOCAL, 0, dst=self.paled[halves])
        added = cv2.addWeighted(values, LOCAL / self._scale, values, 0, -clear)
        cv2.multiply(added, values, dst=added)
        return cv2.multiply(added, amount, dst=added)


@dataclass(frozen=True)
class ChromaInk:
    """Draws on half-size chroma the lines that were drawn on luma."""

    luma: LumaInk
    shade: float
    """What a full line on white adds."""

    @classmethod
    def both(cls, luma: LumaInk, matrix: Matrix, scale: float) -> tuple[ChromaInk, ChromaInk]:
        """For blue and red difference, whose range of one is `scale` in the planes."""
        mean = mean_tint(matrix)
        blue = (TINT[2] - mean) * 0.5 / (1 - matrix.blue)
        red = (TINT[0] - mean) * 0.5 / (1 - matrix.red)
        return cls(luma, blue * scale), cls(luma, red * scale)

    def __call__(self, values: Plane, rows: slice) -> Plane | None:
        added = cv2.multiply(values, self.luma.paled[rows])
        return cv2.addWeighted(added, -1, self.luma.drawn[rows], self.shade, 0, dst=added)
