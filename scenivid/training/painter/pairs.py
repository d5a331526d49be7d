"""Pseudo pairs: crops of photographs and the painter's version of them, painted once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.frames import to_float, to_pixels
from scenivid.training.data.images import Entry, decode, scan
from scenivid.training.loop import generator
from scenivid.training.painter.looks import look_named
from scenivid.training.painter.painter import paint_composed

logger = logging.getLogger(__name__)
_AT_ONCE = 8


@dataclass(frozen=True)
class PairSettings:
    """Which crops are painted. One view is a random crop at a random scale and in random light."""

    views: int = 2
    """Views of each photograph."""
    size: int = 288
    """Side of a view in pixels; training crops are taken from it."""
    short_side: tuple[float, ...] = (340.0, 1000.0)
    """The photograph's shorter side is scaled into this range (log-uniform, at most doubled)."""
    gamma: float = 0.45
    """Light: gamma is exp(±this), in half of the views."""
    saturation: tuple[float, ...] = (0.4, 1.4)
    """Colour: in a third of the views."""
    grey: float = 0.04
    """Share of views without colour."""
    lettering: float = 0.08
    """Share of views with text on them, so that text is learnt to be kept."""

    def __post_init__(self) -> None:
        if self.size < 64 or self.views < 1 or len(self.short_side) != 2 or len(self.saturation) != 2:
            raise ConfigError("pairs: size must be at least 64, views 1; short_side and saturation take two")


@dataclass(frozen=True, eq=False)
class Pairs:
    """Photographs and paintings of one size, aligned pixel by pixel."""

    source: Tensor
    """uint8 [K, 3, S, S]."""
    target: Tensor
    """uint8 [K, 3, S, S]."""

    def __len__(self) -> int:
        return len(self.source)


def painted_pairs(
    photos: Path,
    style: str,
    settings: PairSettings,
    seed: int,
    cache: Path,
    strength: float = 1.0,
    every: int = 1,
) -> Pairs:
    """Views of photographs in a fixed order; painted the first time, read from `cache` afterwards.

    Interrupted painting goes on where it stopped.

    Args:
        strength: see `looks.softened`.
        every: 2 paints every second view, and so on; 1 paints all of them.

    Raises:
        DataError: no usable photographs.
        ConfigError: no such style.
    """
    entries = scan(photos, smallest=settings.size)
    look = look_named(style)
    names = [entry.name for entry in entries]
    key = json.dumps(
        [style, strength, repr(look), asdict(settings), seed, names] + ([every] if every > 1 else [])
    )
    folder = cache / f"{style}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(number, view) for view in range(settings.views) for number in range(len(entries))][::every]
    parts = []
    for first in range(0, len(jobs), _AT_ONCE):
        path = folder / f"{first:06d}.npy"
        if not path.exists():
            sources = _views(entries, jobs[first : first + _AT_ONCE], settings, seed)
            targets = to_pixels(paint_composed(to_float(sources), look, strength))
            partial = path.with_name(path.name + ".partial")
            with partial.open("wb") as file:
                np.save(file, torch.stack([sources, targets]).numpy())
            partial.replace(path)
            logger.info("painted %d of %d views", min(first + _AT_ONCE, len(jobs)), len(jobs))
        parts.append(torch.from_numpy(np.load(path)))
    both = torch.cat(parts, 1)
    return Pairs(both[0].contiguous(), both[1].contiguous())


def _views(
    entries: Sequence[Entry], jobs: Sequence[tuple[int, int]], settings: PairSettings, seed: int
) -> Tensor:
    return torch.stack([view(np.asarray(decode(entries[n])), settings, seed, n, v) for n, v in jobs])


def view(photo: np.ndarray, settings: PairSettings, seed: int, number: int, index: int) -> Tensor:
    """View `index` of photograph `number`, a function of (seed, number, index): uint8 [3, size, size].

    Args:
        photo: uint8 RGB [H, W, 3].
    """
    draws = torch.rand(16, generator=generator(seed, 31, number, index)).tolist()
    height, width = photo.shape[:2]
    low, high = (math.log(side) for side in settings.short_side)
    side = math.exp(low + (high - low) * draws[0])
    side = max(settings.size, min(side, 2.0 * min(height, width)))
    region = min(round(settings.size * min(height, width) / side), height, width)
    top, left = int(draws[1] * (height - region + 1)), int(draws[2] * (width - region + 1))
    crop = torch.from_numpy(np.ascontiguousarray(photo[top : top + region, left : left + region]))
    image = to_float(crop.permute(2, 0, 1)[None])
    target = (settings.size, settings.size)
    image = F.interpolate(image, size=target, mode="bicubic", antialias=True).clamp(0, 1)
    image = _light(image, draws[3:], settings)
    pixels = to_pixels(image)[0]
    return _letter(pixels, draws[10:]) if draws[9] < settings.lettering else pixels


def _light(image: Tensor, draws: Sequence[float], settings: PairSettings) -> Tensor:
    """Other exposures and colours than the photographs happen to have."""
    if draws[0] < 0.5:
        image = image ** math.exp(settings.gamma * (2 * draws[1] - 1))
    grey = image.mean(1, keepdim=True)
    if draws[2] < settings.grey:
        return grey.expand(-1, 3, -1, -1)
    if draws[2] < settings.grey + 1 / 3:
        low, high = settings.saturation
        image = grey + (low + (high - low) * draws[3]) * (image - grey)
    if draws[4] < 0.3:
        warmth = 0.16 * (draws[5] - 0.5)
        image = image * torch.tensor([1 + warmth, 1.0, 1 - warmth])[:, None, None]
    return image.clamp(0, 1)


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


def hue_chances(pairs: Pairs, bins: int = 12) -> Tensor:
    """Chances [K] that give every hue the painter changes a like share, half uniform; they sum to 1.

    Landscapes are mostly blue and brown: drawn evenly, the few meadows would hardly be learnt.
    """
    masses = []
    for first in range(0, len(pairs), 64):
        some = slice(first, first + 64)
        before, after = (F.avg_pool2d(to_float(part[some]), 8) for part in (pairs.source, pairs.target))
        change = ((after - after.mean(1, keepdim=True)) - (before - before.mean(1, keepdim=True))).norm(dim=1)
        red, green, blue = after.unbind(1)
        hue = torch.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue)
        index = ((hue / (2 * math.pi)) % 1 * bins).long().clamp(max=bins - 1)
        masses.append(torch.zeros(len(after), bins).scatter_add_(1, index.flatten(1), change.flatten(1)))
    mass = torch.cat(masses)
    total = mass.sum(0)
    score = (mass / (total + 0.25 * total.mean() + 1e-6)).sum(1)
    return 0.5 * score / score.sum().clamp(min=1e-6) + 0.5 / len(pairs)


@dataclass(frozen=True)
class Degrade:
    """What cameras and codecs do to the input, and the painter's version must not show."""

    jpeg: float = 0.5
    """Share of crops that are compressed."""
    quality: tuple[float, ...] = (35.0, 95.0)
    noise: float = 3.0
    """Largest standard deviation of added noise, in levels of 255."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Crops for one step."""

    source: Tensor
    """Degraded photographs, float [N + T, 3, C, C] in [0, 1]; the last T show the first T again: the same
    place moved by a few pixels and degraded anew."""
    target: Tensor
    """Paintings, float [N + T, 3, C, C]."""
    shifts: tuple[tuple[int, int], ...] = field(default=())
    """(y, x) of each of the T twins: source[N + i][y', x'] shows what source[i][y' + y, x' + x] does."""


def draw_batch(
    pairs: Pairs,
    degrade: Degrade,
    crop: int,
    count: int,
    twins: int,
    reach: int,
    seed: int,
    step: int,
    chances: Tensor | None = None,
) -> Batch:
    """The batch of step `step`, a function of (seed, step).

    Args:
        crop: side of a crop, at most the side of a pair.
        count: different crops.
        twins: how many of them are seen twice.
        reach: farthest move of a twin, in pixels.
        chances: how likely each pair is drawn, [K] ≥ 0; None = all alike.
    """
    random = generator(seed, 32, step)
    spare = pairs.source.shape[-1] - crop
    if chances is None:
        chosen = torch.randint(len(pairs), (count,), generator=random).tolist()
    else:
        chosen = torch.multinomial(chances, count, replacement=True, generator=random).tolist()
    places = torch.randint(spare + 1, (count, 2), generator=random).tolist()
    flips = (torch.rand(count, generator=random) < 0.5).tolist()
    moves = torch.randint(-reach, reach + 1, (twins, 2), generator=random).tolist()
    jobs = [(chosen[i], places[i], flips[i]) for i in range(count)]
    shifts = []
    for i in range(twins):
        place = [min(max(at + by, 0), spare) for at, by in zip(places[i], moves[i], strict=True)]
        dy, dx = place[0] - places[i][0], place[1] - places[i][1]
        shifts.append((dy, -dx if flips[i] else dx))
        jobs.append((chosen[i], place, flips[i]))
    sources, targets = [], []
    for number, (top, left), flip in jobs:
        window = (slice(None), slice(top, top + crop), slice(left, left + crop))
        source, target = pairs.source[number][window], pairs.target[number][window]
        if flip:
            source, target = source.flip(-1), target.flip(-1)
        sources.append(degraded(source, degrade, random))
        targets.append(target)
    return Batch(torch.stack(sources), to_float(torch.stack(targets)), tuple(shifts))


def degraded(pixels: Tensor, degrade: Degrade, random: torch.Generator) -> Tensor:
    """uint8 [3, C, C] → float [3, C, C] in [0, 1], compressed and noisy."""
    kind, quality, level = torch.rand(3, generator=random).tolist()
    if kind < degrade.jpeg:
        low, high = degrade.quality
        flags = [cv2.IMWRITE_JPEG_QUALITY, round(low + (high - low) * quality)]
        _, coded = cv2.imencode(
            ".jpg", np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()[..., ::-1]), flags
        )
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        assert decoded is not None, "a JPEG just encoded can be decoded"
        pixels = torch.from_numpy(np.ascontiguousarray(decoded[..., ::-1])).permute(2, 0, 1)
    noise = torch.randn(pixels.shape, generator=random) * (level * degrade.noise / 255)
    noisy: Tensor = to_float(pixels) + noise
    return noisy.clamp(0, 1)
