"""Batches of painted pairs: crops, flips, and what cameras and codecs do to the input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from scenivid.pixels import to_float
from scenivid.training.painter.pairs import Pairs
from scenivid.training.run.random_state import generator


@dataclass(frozen=True)
class Degrade:
    """What cameras and codecs do to the input, and the painter's version must not show."""

    blur: float = 0.3
    """Share of crops out of focus."""
    sigma: float = 1.1
    """Largest standard deviation of that blur, in pixels."""
    jpeg: float = 0.5
    """Share of crops that are compressed."""
    quality: tuple[float, ...] = (30.0, 95.0)
    noise: float = 4.0
    """Largest standard deviation of noise in half of the crops, in levels of 255; the other half has none."""
    grain: float = 0.08
    """Share of crops with three times as much, and coarser in colour, as phones see in the dark."""


@dataclass(frozen=True, eq=False)
class Levels:
    """Painted pairs by strength, and which of them a step trains."""

    pairs: Mapping[float, Pairs]
    """Of full strength, 1.0, and of others."""
    every: int
    """Every how many steps one of the others is trained, in turn."""

    def strength(self, step: int) -> float:
        """Full strength, and now and then another for which something is painted."""
        others = [strength for strength in self.pairs if strength != 1]
        if not others or step % self.every != self.every - 1:
            return 1.0
        wanted = others[step // self.every % len(others)]
        return wanted if len(self.pairs[wanted]) else 1.0

    def counts(self) -> tuple[int, ...]:
        """How many pairs there are of each."""
        return tuple(len(pairs) for pairs in self.pairs.values())


@dataclass(frozen=True, eq=False)
class Crops:
    """An endless row of crops, for `data.Stream`: crop i is a function of (seed, i)."""

    levels: Levels
    degrade: Degrade
    side: int
    """Of a crop in pixels, at most the side of a pair."""
    batch: int
    """Crops of a step, of all processes."""
    seed: int

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """The source, degraded, float [3, C, C] in [0, 1], and its painting, uint8 [4, C, C]."""
        pairs = self.levels.pairs[self.levels.strength(index // self.batch)]
        random = generator(self.seed, 32, index)
        number, top, left, flip = torch.rand(4, generator=random, dtype=torch.float64).tolist()
        spare = pairs.size - self.side + 1
        y, x = int(top * spare), int(left * spare)
        pair = pairs[int(number * len(pairs))][:, y : y + self.side, x : x + self.side]
        pair = pair.flip(-1) if flip < 0.5 else pair
        return {"source": degraded(pair[:3], self.degrade, random), "target": pair[3:].contiguous()}


def degraded(pixels: Tensor, degrade: Degrade, random: torch.Generator) -> Tensor:
    """uint8 [3, C, C] → float [3, C, C] in [0, 1]: out of focus, then noisy, then compressed."""
    blur, sigma, kind, quality, level, grain = torch.rand(6, generator=random).tolist()
    image = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
    if blur < degrade.blur:
        image = cv2.GaussianBlur(image, (0, 0), 0.3 + (degrade.sigma - 0.3) * sigma)
    amount = degrade.noise * max(2 * level - 1, 0.0)
    if amount or grain < degrade.grain:
        noise = np.random.default_rng(int(sigma * 2**31)).normal(0, 1, image.shape).astype(np.float32)
        if grain < degrade.grain:
            amount = 3 * degrade.noise * (0.3 + 0.7 * level)
            coarse = cv2.resize(noise[::3, ::3], image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
            noise = 0.6 * noise + 0.8 * coarse
        image = np.clip(image + amount * noise + 0.5, 0, 255).astype(np.uint8)
    if kind < degrade.jpeg:
        low, high = degrade.quality
        flags = [cv2.IMWRITE_JPEG_QUALITY, round(low + (high - low) * quality)]
        _, coded = cv2.imencode(".jpg", image[..., ::-1], flags)
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        assert decoded is not None, "a JPEG just encoded can be decoded"
        image = np.ascontiguousarray(decoded[..., ::-1])
    return to_float(torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).to(torch.uint8))
