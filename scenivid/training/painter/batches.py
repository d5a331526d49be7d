"""Batches of painted pairs: crops, flips, and what cameras and codecs do to the input."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from scenivid.frames import to_float
from scenivid.training.loop import generator
from scenivid.training.painter.pairs import Pairs


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
class Batch:
    """Crops for one step."""

    source: Tensor
    """Degraded photographs, float [N, 3, C, C] in [0, 1]."""
    target: Tensor
    """Paintings of the photographs as they were, float [N, 4, C, C]: flat RGB and line."""


def draw_batch(pairs: Pairs, degrade: Degrade, crop: int, count: int, seed: int, step: int) -> Batch:
    """The batch of step `step`, a function of (seed, step).

    Args:
        crop: side of a crop, at most the side of a pair.
        count: crops.
    """
    random = generator(seed, 32, step)
    spare = pairs.size - crop
    chosen = torch.randint(len(pairs), (count,), generator=random).tolist()
    places = torch.randint(spare + 1, (count, 2), generator=random).tolist()
    flips = (torch.rand(count, generator=random) < 0.5).tolist()
    sources, targets = [], []
    for number, (top, left), flip in zip(chosen, places, flips, strict=True):
        pair = pairs[number][:, top : top + crop, left : left + crop]
        pair = pair.flip(-1) if flip else pair
        sources.append(degraded(pair[:3], degrade, random))
        targets.append(pair[3:])
    return Batch(torch.stack(sources), to_float(torch.stack(targets)))


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
