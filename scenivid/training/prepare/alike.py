"""Near-duplicates: pictures with almost the same layout and almost the same colours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scenivid.training.prepare.picture import Image, luma, resized

_COLOUR = 14.0
"""Mean difference of a sixteenth's colour, in levels of 255, up to which colours are the same."""


@dataclass(frozen=True)
class Print:
    """What a picture is recognised by."""

    layout: int
    """64 bits: which low frequencies of the luma lie above their median (a perceptual hash)."""
    colours: bytes
    """Mean RGB of 4 × 4 parts, 48 bytes."""

    def text(self) -> str:
        """For a file."""
        return f"{self.layout:016x}{self.colours.hex()}"

    @classmethod
    def of_text(cls, text: str) -> Print:
        """The inverse of `text`."""
        return cls(int(text[:16], 16), bytes.fromhex(text[16:]))


def print_of(image: Image) -> Print:
    """Of RGB [H, W, 3]."""
    small = cv2.resize(luma(image), (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()
    bits = low > np.median(low[1:])
    layout = int.from_bytes(np.packbits(bits).tobytes(), "big")
    return Print(layout, resized(image, (4, 4)).tobytes())


class Seen:
    """The prints of everything kept so far, each under a name."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._layouts = np.empty(256, np.uint64)
        self._colours = np.empty((256, 48), np.uint8)

    def add(self, found: Print, name: str) -> None:
        """Remember a picture."""
        count = len(self._names)
        if count == len(self._layouts):
            self._layouts = np.concatenate([self._layouts, np.empty_like(self._layouts)])
            self._colours = np.concatenate([self._colours, np.empty_like(self._colours)])
        self._layouts[count] = found.layout
        self._colours[count] = np.frombuffer(found.colours, np.uint8)
        self._names.append(name)

    def like(self, found: Print, bits: int) -> str | None:
        """The name of the nearest picture whose layout differs in at most `bits` of 64, or None."""
        count = len(self._names)
        apart = _ones(self._layouts[:count] ^ np.uint64(found.layout))
        near = np.flatnonzero(apart <= bits)
        if not len(near):
            return None
        own = np.frombuffer(found.colours, np.uint8).astype(np.int16)
        colour = np.abs(self._colours[near].astype(np.int16) - own).mean(axis=1)
        near = near[colour <= _COLOUR]
        return self._names[int(near[np.argmin(apart[near])])] if len(near) else None


def _ones(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many bits are set in each."""
    table = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1)
    ones: NDArray[np.int64] = table[words.view(np.uint8).reshape(len(words), 8)].sum(axis=1).astype(np.int64)
    return ones
