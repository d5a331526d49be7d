"""Frames in memory: the one place where value range, bit depth and padding change."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scenivid.machine.lazy import functional, torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Clip:
    """Consecutive frames of one video."""

    pixels: Tensor
    """Full-range RGB, uint8 (0..255) or uint16 (0..65535), [T, 3, H, W], T ≥ 1, on the CPU."""
    pts: tuple[Fraction, ...]
    """Presentation time of each frame, in seconds, strictly as in the container (start offset kept)."""
    durations: tuple[Fraction | None, ...] | None = None
    """How long each frame is shown, in seconds, where the container says so; same length as `pts`."""
    alpha: Tensor | None = None
    """Opacity, [T, 1, H, W] of the pixels' dtype; None where all is opaque. `pixels` are not multiplied by
    it, but black where it is 0: colour that nobody sees stays unseen."""

    def __post_init__(self) -> None:
        if self.pixels.dtype not in (torch.uint8, torch.uint16):
            raise TypeError(f"pixels must be uint8 or uint16, got {self.pixels.dtype}")
        if self.pixels.ndim != 4 or self.pixels.shape[1] != 3 or self.pixels.shape[0] != len(self.pts):
            raise ValueError(f"pixels {tuple(self.pixels.shape)} don't fit {len(self.pts)} pts")
        if self.alpha is not None and (
            self.alpha.dtype != self.pixels.dtype or self.alpha.shape != self.pixels[:, :1].shape
        ):
            raise ValueError(f"alpha {tuple(self.alpha.shape)} doesn't fit pixels {tuple(self.pixels.shape)}")

    def __len__(self) -> int:
        return len(self.pts)

    def part(self, begin: int, end: int) -> Clip:
        """Frames `begin` to `end` − 1, without copying."""
        if (begin, end) == (0, len(self)):
            return self
        return Clip(
            self.pixels[begin:end],
            self.pts[begin:end],
            None if self.durations is None else self.durations[begin:end],
            None if self.alpha is None else self.alpha[begin:end],
        )


@dataclass(frozen=True)
class Layout:
    """How bytes of luma and chroma hold colour."""

    matrix: str
    """FFmpeg's name: bt709, smpte170m, …"""
    full_range: bool


@dataclass(frozen=True, eq=False)
class StoredClip:
    """Consecutive frames as files store them: 8 bits, 4:2:0."""

    luma: NDArray[np.uint8]
    """[T, H, W], H and W even."""
    chroma: NDArray[np.uint8]
    """Cb and Cr, [T, 2, H/2, W/2]."""
    layout: Layout
    pts: tuple[Fraction, ...]
    """As in `Clip`."""
    durations: tuple[Fraction | None, ...] | None = None

    def __post_init__(self) -> None:
        count, height, width = self.luma.shape
        if self.chroma.shape != (count, 2, height // 2, width // 2) or height % 2 or width % 2:
            raise ValueError(f"chroma {self.chroma.shape} doesn't fit luma {self.luma.shape}")
        if count != len(self.pts):
            raise ValueError(f"{count} frames don't fit {len(self.pts)} pts")

    def __len__(self) -> int:
        return len(self.pts)

    def part(self, begin: int, end: int) -> StoredClip:
        """Frames `begin` to `end` − 1, without copying."""
        durations = None if self.durations is None else self.durations[begin:end]
        return StoredClip(
            self.luma[begin:end], self.chroma[begin:end], self.layout, self.pts[begin:end], durations
        )


@dataclass(frozen=True)
class Padding:
    """Rows and columns added at the bottom and the right."""

    bottom: int
    right: int


def to_float(pixels: Tensor) -> Tensor:
    """Integer pixels to float32 in [0, 1], same shape and device."""
    return pixels.to(torch.float32) / _scale(pixels.dtype)


def to_pixels(image: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Float in [0, 1] (values outside are clamped) to integers of `dtype`, rounded to nearest.

    Args:
        dtype: torch.uint8 or torch.uint16; None for the former.
    """
    dtype = dtype or torch.uint8
    scaled = image.float().clamp(0, 1).mul(_scale(dtype)).round_()
    if dtype is torch.uint16:  # torch converts float to uint16 only through int32 on some devices
        return scaled.to(torch.int32).to(torch.uint16)
    return scaled.to(dtype)


def to_signed(image: Tensor) -> Tensor:
    """[0, 1] to [-1, 1]."""
    return image * 2 - 1


def from_signed(image: Tensor) -> Tensor:
    """[-1, 1] to [0, 1]."""
    return (image + 1) / 2


def pad(image: Tensor, multiple: int) -> tuple[Tensor, Padding]:
    """Extend [N, C, H, W] at the bottom and right until H and W divide by `multiple`.

    Reflects where the image is large enough, replicates where it is not.
    """
    height, width = image.shape[-2:]
    padding = Padding(bottom=-height % multiple, right=-width % multiple)
    if not (padding.bottom or padding.right):
        return image, padding
    mode = "reflect" if padding.bottom < height and padding.right < width else "replicate"
    return functional.pad(image, (0, padding.right, 0, padding.bottom), mode=mode), padding


def unpad(image: Tensor, padding: Padding) -> Tensor:
    """Undo `pad`."""
    height, width = image.shape[-2:]
    return image[..., : height - padding.bottom, : width - padding.right]


def _scale(dtype: torch.dtype) -> float:
    return 255.0 if dtype is torch.uint8 else 65535.0
