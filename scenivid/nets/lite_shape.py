"""What a Lite network looks like: its sizes and constants, without the network."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scenivid.errors import ConfigError
from scenivid.nets.brush import dab_reach

GENTLEST = 0.25
"""Strength below which a network with a dial isn't asked: there, its picture is blended with the source."""
BORDER = 8
"""Pixels by which a frame is extended on every side, in eval mode."""
MULTIPLE = 16
"""Of the sides of what the network takes."""
PAINTED_AT = 540
"""Shorter side, in pixels, of the pictures that styles learnt from, where their card says nothing."""
SLOPE = 0.1
"""Of the activations, below zero."""


@dataclass(frozen=True)
class LiteParams:
    """Size of a Lite network."""

    widths: tuple[int, int, int] = (64, 96, 128)
    """Channels at 1/4, 1/8 and 1/16 of the size; multiples of 8."""
    encode_blocks: tuple[int, int] = (1, 1)
    """Residual blocks on the way down, at 1/4 and 1/8."""
    middle_dilations: tuple[int, ...] = (1, 2)
    """One residual block at 1/16 for each: the dilation of its first convolution."""
    decode_blocks: tuple[int, int] = (2, 1)
    """Residual blocks on the way up, at 1/4 and 1/8."""
    head: int = 24
    """Channels at 1/2; a multiple of 8."""
    brush: int = 0
    """Radius of the flat brush under the paint, in pixels; 0 is none, and grey in its place."""
    tone: int = 0
    """Width of the map from the colour under the flat brush to that of paint; 0 is none. It needs a brush."""
    line: bool = True
    """Whether a line field is given as a fourth channel."""
    dial: bool = False
    """Whether the network can paint at less than full strength (see `Lite.at`)."""

    def __post_init__(self) -> None:
        for name in ("widths", "encode_blocks", "middle_dilations", "decode_blocks"):
            object.__setattr__(self, name, tuple(int(value) for value in getattr(self, name)))
        if len(self.widths) != 3 or len(self.encode_blocks) != 2 or len(self.decode_blocks) != 2:
            raise ConfigError("lite: widths takes three numbers, encode_blocks and decode_blocks two each")
        if any(width < 8 or width % 8 for width in (*self.widths, self.head)):
            raise ConfigError(f"lite: widths {self.widths} and head {self.head} must be multiples of 8")
        if not 0 <= self.brush <= 16:
            raise ConfigError(f"lite: brush must be 0 to 16 pixels, got {self.brush}")
        if self.tone < 0 or self.tone % 8 or (self.tone and not self.brush):
            raise ConfigError(f"lite: tone must be a multiple of 8, and needs a brush, got {self.tone}")
        if min(*self.encode_blocks, *self.decode_blocks) < 0 or min(self.middle_dilations, default=1) < 1:
            raise ConfigError("lite: block counts must be at least 0 and dilations at least 1")


def receptive_radius(params: LiteParams) -> int:
    """Radius in pixels of what one output pixel of `Lite(params)` depends on, over all phases of the grid."""
    farthest = 0
    for position in range(MULTIPLE):
        low, high = _reach(params, position)
        farthest = max(farthest, position - low, high - position)
    flat = dab_reach(params.brush) if params.brush else 0
    return max(farthest, flat + 2 if params.tone else flat)


def _reach(params: LiteParams, position: int) -> tuple[int, int]:
    """First and last input column that output column `position` depends on: the network run backwards."""
    half = grow((position // 2, position // 2), 1)
    glance = 2 * half[0] - 1, 2 * half[1] + 2
    quarter = grow(((half[0] - 1) // 2, (half[1] + 1) // 2), 2 * params.decode_blocks[0])
    eighth = grow(halve(quarter), 2 * params.decode_blocks[1])
    middle = sum(dilation + 1 for dilation in params.middle_dilations)
    sixteenth = grow(halve(eighth), middle)
    eighth = grow(union(eighth, doubled(sixteenth)), 2 * params.encode_blocks[1])
    quarter = grow(union(quarter, doubled(eighth)), 2 * params.encode_blocks[0])
    return union((4 * quarter[0] - 2, 4 * quarter[1] + 5), glance)


def grow(reach: tuple[int, int], by: int) -> tuple[int, int]:
    """Through a convolution of stride 1 that looks `by` columns to either side."""
    return reach[0] - by, reach[1] + by


def halve(reach: tuple[int, int]) -> tuple[int, int]:
    """Through bilinear doubling: column i reads floor((i - 1) / 2) and the next."""
    return math.floor((reach[0] - 1) / 2), math.floor((reach[1] - 1) / 2) + 1


def doubled(reach: tuple[int, int]) -> tuple[int, int]:
    """Through a 2 × 2 convolution or mean of stride 2, or space-to-depth."""
    return 2 * reach[0], 2 * reach[1] + 1


def union(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """Where two ways meet."""
    return min(a[0], b[0]), max(a[1], b[1])
