"""Training images held in memory, reduced to what a small network needs: no decoding during training."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from scenivid.errors import DataError
from scenivid.training.data.augment import Augment, draw, place
from scenivid.training.data.images import Entry, decode
from scenivid.training.run.random_state import generator

logger = logging.getLogger(__name__)


class MemorySet:
    """Augmented crops [3, size, size], uint8; item g depends on (seed, g) only, like `data.ImageSet`.

    Each image is kept at the size at which its tightest crop still has one pixel for each of the network's:
    about 50 kB an image at 64 px, so 10,000 images take 0.5 GB.

    Raises:
        DataError: not one of the images can be decoded.
    """

    def __init__(self, entries: Sequence[Entry], augment: Augment, seed: int, salt: int = 0) -> None:
        self.augment, self.seed, self.salt = augment, seed, salt
        self.images: list[Image.Image] = []
        for entry in entries:
            try:
                self.images.append(_reduced(decode(entry), round(augment.size * augment.zoom_max)))
            except DataError as exc:
                logger.warning("%s; left out", exc)
        if not self.images:
            raise DataError(f"none of {len(entries)} images can be decoded")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        placement = draw(self.augment, generator(self.seed, self.salt, 1, index))
        return place(self.images[self.number(index)], placement, self.augment.size)

    def number(self, index: int) -> int:
        """Which of `images` item `index` is cut from."""
        count = len(self.images)
        order = torch.randperm(count, generator=generator(self.seed, self.salt, 0, index // count))
        return int(order[index % count])


def _reduced(image: Image.Image, shorter: int) -> Image.Image:
    scale = shorter / min(image.size)
    if scale >= 1:
        return image
    size = (max(shorter, round(image.width * scale)), max(shorter, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC)
