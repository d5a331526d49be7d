"""Pictures to measure: photographs, frames of clips, and what a style or the painter makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scenivid.evaluation.lockstep import Window, open_together
from scenivid.ink import inked
from scenivid.pixels import to_float, to_pixels
from scenivid.styles.zoo import load_style
from scenivid.training.data.images import decode, scan
from scenivid.training.painter.looks import Look
from scenivid.training.painter.painter import paint_composed

CPU = torch.device("cpu")
Apply = Callable[[Tensor], Tensor]
"""Images [N, 3, H, W] in [0, 1] to the same, painted."""


def translate(weights: Path) -> Apply:
    """Images through the style, in the precision that it runs in here, inked as its card says."""
    style = load_style(str(weights), CPU)
    return lambda image: inked(style.translate(image, [True] * len(image), None, None)[0], style.ink)


def load_photos(folder: Path, side: int) -> list[tuple[str, Tensor]]:
    """(name, [1, 3, H, W] in [0, 1]) of each photograph, at most `side` pixels on its shorter side."""
    photos = []
    for entry in scan(folder):
        image = decode(entry)
        longer = round(side * max(image.size) / min(image.size))
        image.thumbnail((longer, longer), Image.Resampling.LANCZOS)
        pixels = torch.from_numpy(np.array(image))
        photos.append((entry.key, to_float(pixels.permute(2, 0, 1)[None])))
    return photos


def paint_all(photos: list[tuple[str, Tensor]], look: Look, keep: Path | None) -> list[Tensor]:
    """The painter's version of each photograph, read from `keep` where it is there already."""
    painted = []
    for name, photo in photos:
        path = keep / f"{name.replace('/', '-')}.png" if keep else None
        if path is not None and path.exists():
            pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB")))
            painted.append(to_float(pixels.permute(2, 0, 1)[None]))
            continue
        painted.append(paint_composed(photo, look))
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            save(painted[-1], path)
    return painted


def read_frames(path: Path, count: int, long_side: int | None = None) -> Tensor:
    """The first `count` frames, at most `long_side` pixels on their longer side, uint8 [T, 3, H, W]."""
    with open_together([path], Window(max_frames=count, long_side=long_side)) as moments:
        return torch.cat([to_pixels(moment.frames) for moment in moments])


def save(image: Tensor, path: Path) -> None:
    """[1, 3, H, W] in [0, 1] to a PNG."""
    Image.fromarray(to_pixels(image)[0].permute(1, 2, 0).numpy()).save(path)
