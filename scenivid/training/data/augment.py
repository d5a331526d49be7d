"""Resize, crop and flip, as one draw that can be laid on both sides of a pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scenivid.errors import ConfigError


@dataclass(frozen=True)
class Augment:
    """How an image becomes a training square. The paper: resize, random crop, horizontal flip."""

    size: int = 256
    """Side of the square, px."""
    zoom_min: float = 286 / 256
    """The crop's side is the image's shorter side divided by a zoom drawn from [zoom_min, zoom_max]."""
    zoom_max: float = 286 / 256
    flip: bool = True

    def __post_init__(self) -> None:
        if self.size < 8 or not 1 <= self.zoom_min <= self.zoom_max:
            raise ConfigError("augment: size must be at least 8 and 1 ≤ zoom_min ≤ zoom_max")


@dataclass(frozen=True)
class Placement:
    """One draw, free of any image's size."""

    zoom: float
    left: float
    """Share of the free width left of the crop, 0..1."""
    top: float
    flip: bool


def draw(augment: Augment, generator: torch.Generator) -> Placement:
    """Draw a placement."""
    zoom, left, top, flip = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
    span = augment.zoom_max - augment.zoom_min
    return Placement(augment.zoom_min + zoom * span, left, top, augment.flip and flip < 0.5)


def place(image: Image.Image, placement: Placement, size: int) -> Tensor:
    """Cut the placed square out of `image` and resize it (bicubic, antialiased) in one resampling.

    Returns:
        uint8 RGB, [3, size, size].
    """
    side = min(image.size) / placement.zoom
    left = placement.left * (image.width - side)
    top = placement.top * (image.height - side)
    box = (left, top, min(left + side, image.width), min(top + side, image.height))
    crop = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    pixels = torch.from_numpy(np.array(crop)).permute(2, 0, 1)
    return (pixels.flip(2) if placement.flip else pixels).contiguous()
