"""Views of photographs for the painter: random crops at random scales, in random light, some with text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.pixels import to_float, to_pixels
from scenivid.training.run.random_state import generator

BORDER = 16
"""Pixels around a view that are painted with it and thrown away: the painter looks beyond the edge."""


@dataclass(frozen=True)
class PairSettings:
    """Which crops are painted. One view is a random crop at a random scale and in random light."""

    views: int = 2
    """Views of each photograph."""
    rare: tuple[str, ...] = ()
    """Beginnings of the names of photographs of what there is little of: streets, people, rooms."""
    rare_views: int = 8
    """Views of each of these."""
    size: int = 288
    """Side of a view in pixels; training crops are taken from it."""
    short_side: tuple[float, ...] = (400.0, 1100.0)
    """The photograph's shorter side is scaled into this range (log-uniform, at most doubled), so that things
    have many sizes beside the brush; the painter's lengths are always those of a short side of 540."""
    gamma: float = 0.45
    """Light: gamma is exp(±this), in half of the views."""
    dim: float = 0.08
    """Share of views in the dark: a quarter to half of the light."""
    saturation: tuple[float, ...] = (0.4, 1.9)
    """Colour: in 45 % of the views."""
    turn: float = 30.0
    """Degrees by which hues are turned at most, in a quarter of the views: flowers have them all."""
    grey: float = 0.03
    """Share of views without colour."""
    lettering: float = 0.06
    """Share of views with text on them, so that text is learnt to be kept."""

    def __post_init__(self) -> None:
        if self.size < 64 or self.views < 1 or len(self.short_side) != 2 or len(self.saturation) != 2:
            raise ConfigError("pairs: size must be at least 64, views 1; short_side and saturation take two")

    def views_of(self, name: str) -> int:
        """How many views a photograph of this name gets."""
        return self.rare_views if self.rare and name.startswith(self.rare) else self.views


def view(photo: NDArray[np.uint8], settings: PairSettings, seed: int, number: int, index: int) -> Tensor:
    """View `index` of photograph `number`, a function of (seed, number, index), with `BORDER` around it.

    Args:
        photo: RGB [H, W, 3].

    Returns:
        uint8 [3, S, S], S = size + 2 · BORDER.
    """
    draws = torch.rand(20, generator=generator(seed, 31, number, index)).tolist()
    size = settings.size + 2 * BORDER
    height, width = photo.shape[:2]
    low, high = (math.log(side) for side in settings.short_side)
    side = math.exp(low + (high - low) * draws[0])
    side = max(size, min(side, 2.0 * min(height, width)))
    region = min(round(size * min(height, width) / side), height, width)
    top, left = int(draws[1] * (height - region + 1)), int(draws[2] * (width - region + 1))
    crop = torch.from_numpy(np.ascontiguousarray(photo[top : top + region, left : left + region]))
    image = to_float(crop.permute(2, 0, 1)[None])
    image = F.interpolate(image, size=(size, size), mode="bicubic", antialias=True).clamp(0, 1)
    image = _light(image, draws[3:], settings)
    pixels = to_pixels(image)[0]
    return _letter(pixels, draws[10:]) if draws[9] < settings.lettering else pixels


def _light(image: Tensor, draws: Sequence[float], settings: PairSettings) -> Tensor:
    """Other exposures and colours than the photographs happen to have."""
    if draws[0] < 0.5:
        image = image ** math.exp(settings.gamma * (2 * draws[1] - 1))
    if draws[14] < settings.dim:
        image = image * (0.25 + 0.25 * draws[13])
    grey = image.mean(1, keepdim=True)
    if draws[2] < settings.grey:
        return grey.expand(-1, 3, -1, -1)
    if draws[2] < settings.grey + 0.45:
        low, high = settings.saturation
        image = grey + (low + (high - low) * draws[3]) * (image - grey)
    if draws[15] < 0.25:
        image = _turned(image, settings.turn * (2 * draws[16] - 1))
    if draws[4] < 0.3:
        warmth = 0.16 * (draws[5] - 0.5)
        image = image * torch.tensor([1 + warmth, 1.0, 1 - warmth])[:, None, None]
    return image.clamp(0, 1)


def _turned(image: Tensor, degrees: float) -> Tensor:
    """Colours turned around the grey axis."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees)) / math.sqrt(3)
    third = (1 - cosine) / 3
    rows = torch.tensor([cosine + third, third - sine, third + sine])
    matrix = torch.stack([rows, rows.roll(1), rows.roll(2)])
    return torch.einsum("rc,nchw->nrhw", matrix, image)


def _letter(pixels: Tensor, draws: Sequence[float]) -> Tensor:
    """A few lines of text, light or dark, 8 to 40 pixels high."""
    size = pixels.shape[-1]
    canvas = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
    scale = 0.35 + 1.2 * draws[0] ** 2
    shade = int(255 * draws[1]) if draws[2] < 0.3 else (245 if draws[2] < 0.7 else 15)
    letters = np.random.default_rng(int(draws[3] * 2**31))
    font = [cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX][int(draws[4] * 2.99)]
    row = 20 + int(draws[5] * size / 2)
    for _ in range(1 + int(draws[5] * 3)):
        text = "".join(letters.choice(list("ABCDEFGHKLMNPRSTabcdefghiklmnoprstuvy0123456789 :-."), 26))
        cv2.putText(
            canvas, text, (6, row), font, scale, (shade,) * 3, 1 + int(scale > 0.8), cv2.LINE_AA
        )  # fmt: skip
        row += int(36 * scale) + 6
    return torch.from_numpy(canvas).permute(2, 0, 1).contiguous()
