"""What photographs should become: the start style's painting in the colours of the pictures.

Painted once, at whole size, the first time that they are needed, and then cut: training waits for nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from scenivid.errors import DataError
from scenivid.ink import inked
from scenivid.nets.lite import Lite
from scenivid.oklab import rgb_to_oklab
from scenivid.perception.transport import Transport
from scenivid.pixels import to_float
from scenivid.training.data.images import Entry, decode
from scenivid.training.run.random_state import generator

logger = logging.getLogger(__name__)
_FIRST = 8
"""Photographs that the first steps are taken from; one more comes with every `_EVERY` crops."""
_EVERY = 4
_MOST = 96
"""Kept, about 2 MB each."""
_SMALLEST = 0.67
"""Of the painting size: photographs are painted at sizes down to this."""
_LINE = 7
"""Width, in pixels, below which something dark is a line."""
_INKS = (0.0, 0.25, 0.5, 0.75, 1.0)


class Aims:
    """Crops of photographs, and what they should become; crop g depends on (seed, g) only."""

    def __init__(
        self, photos: Sequence[Entry], start: Lite, transport: Transport, crop: int, paint: int, seed: int
    ) -> None:
        order = torch.randperm(len(photos), generator=generator(seed, 41)).tolist()
        self.photos = [photos[number] for number in order[:_MOST]]
        self.start, self.transport = start, transport
        self.crop, self.paint, self.seed = crop, paint, seed
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def crops(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Crops `first` and on: photographs [N, 3, C, C] and aims [N, 3 or 4, C, C], in [0, 1].

        Raises:
            DataError: none of the photographs can be decoded.
        """
        pairs = [self._crop(index) for index in range(first, first + count)]
        return to_float(torch.stack([a for a, _ in pairs])), to_float(torch.stack([b for _, b in pairs]))

    def _crop(self, index: int) -> tuple[Tensor, Tensor]:
        random = generator(self.seed, 41, 1, index)
        known = min(len(self.photos), _FIRST + index // _EVERY)
        photo, aim = self._painted(int(torch.randint(known, (1,), generator=random)))
        top, left = (
            int(torch.randint(side - self.crop + 1, (1,), generator=random)) for side in photo.shape[-2:]
        )
        rows, columns = slice(top, top + self.crop), slice(left, left + self.crop)
        photo, aim = photo[:, rows, columns], aim[:, rows, columns]
        if bool(torch.rand(1, generator=random) < 0.5):
            photo, aim = photo.flip(-1), aim.flip(-1)
        return photo, aim

    def _painted(self, number: int) -> tuple[Tensor, Tensor]:
        if number not in self._kept:
            share = float(torch.rand(1, generator=generator(self.seed, 41, 2, number)))
            short = max(self.crop, round(self.paint * (_SMALLEST + share * (1 - _SMALLEST))))
            photo = self._photo(number, short)
            device = self.start.stem.weight.device
            with torch.no_grad():
                made = self.start(photo.to(device)).float().cpu()
            aim = torch.cat([self.transport(made[:, :3]), made[:, 3:]], 1)
            self._kept[number] = _bytes(photo), _bytes(aim)
        return self._kept[number]

    def _photo(self, number: int, short: int) -> Tensor:
        """A photograph, or one after it where it can't be decoded."""
        for step in range(len(self.photos)):
            try:
                return photograph(self.photos[(number + step) % len(self.photos)], short)
            except DataError as exc:
                logger.warning("%s; left out", exc)
        raise DataError(f"none of {len(self.photos)} images can be decoded")


def photograph(entry: Entry, short: int) -> Tensor:
    """A photograph with a shorter side of at least `short`, cut to multiples of 16, [1, 3, H, W] in [0, 1].

    Raises:
        DataError: it can't be decoded.
    """
    image, least = decode(entry), -(-short // Lite.multiple) * Lite.multiple
    scale = least / min(image.size)
    size = (max(least, round(image.width * scale)), max(least, round(image.height * scale)))
    pixels = torch.from_numpy(np.array(image.resize(size, Image.Resampling.BICUBIC)))
    height, width = (side // Lite.multiple * Lite.multiple for side in pixels.shape[:2])
    return to_float(pixels[:height, :width].permute(2, 0, 1)[None])


def ink_of(looks: Sequence[Tensor], painted: Sequence[Tensor]) -> float:
    """How dark lines should be for paintings to have as much thin dark in them as the pictures.

    Args:
        looks: [1, 3, H, W] each, about as large as they are painted.
        painted: with a line field, [1, 4, H, W] each.
    """
    wanted = _thin_dark(looks)
    found = {ink: abs(_thin_dark([inked(one, ink) for one in painted]) - wanted) for ink in _INKS}
    return min(found, key=lambda ink: found[ink])


def _thin_dark(images: Sequence[Tensor]) -> float:
    """Mean of what closing (the largest of near light, then the smallest of that) adds to the light."""
    total = 0.0
    for image in images:
        light = rgb_to_oklab(image.clamp(0, 1))[:, :1]
        closed = -F.max_pool2d(-F.max_pool2d(light, _LINE, 1, _LINE // 2), _LINE, 1, _LINE // 2)
        total += float((closed - light).mean())
    return total / len(images)


def _bytes(image: Tensor) -> Tensor:
    return (image[0].clamp(0, 1) * 255).round().byte()
