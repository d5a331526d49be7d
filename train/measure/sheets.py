"""Contact sheets: tiles and crops of one size as one JPEG, of photographs by turns."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from scenivid.pixels import to_pixels

SHEET_PHOTOS = 16
"""Photographs on a sheet."""


def tile(image: Tensor, width: int, height: int) -> Tensor:
    """Cover a [3, height, width] tile: scaled, then cropped around the centre."""
    scale = max(width / image.shape[-1], height / image.shape[-2])
    size = (max(height, round(image.shape[-2] * scale)), max(width, round(image.shape[-1] * scale)))
    image = F.interpolate(image, size=size, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return image[0, :, top : top + height, left : left + width]


def crop(image: Tensor, side: int) -> Tensor:
    """The middle of [1, 3, H, W] at 100 %, [3, side, side]; bright edges where it is smaller."""
    height, width = image.shape[-2:]
    top, left = max((height - side) // 2, 0), max((width - side) // 2, 0)
    part = image[0, :, top : top + side, left : left + side]
    return F.pad(part, (0, side - part.shape[-1], 0, side - part.shape[-2]), value=1.0)


def sheet(rows: list[list[Tensor]], path: Path, limit: int = 1_400_000) -> None:
    """Rows of equal tiles as one JPEG of at most `limit` bytes."""
    image = torch.cat([torch.cat(row, 2) for row in rows], 1)
    picture = Image.fromarray(to_pixels(image[None])[0].permute(1, 2, 0).numpy())
    for quality in range(92, 40, -4):
        picture.save(path, quality=quality, subsampling=0 if quality > 80 else 2)
        if path.stat().st_size <= limit:
            return


def chosen(photos: list[tuple[str, Tensor]], count: int = SHEET_PHOTOS) -> list[int]:
    """`count` photographs, by number: by turns of the packages they come from, so that it is varied."""
    seen: dict[str, int] = {}
    turns = []
    for index, (name, _) in enumerate(photos):
        package = name.split("-")[0]
        seen[package] = seen.get(package, 0) + 1
        turns.append((seen[package], index))
    return sorted(index for _, index in sorted(turns)[:count])
