"""How near the chain's networks come to the style, how much content they keep, and how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.perception.distances import (
    frechet_distance,
    kernel_distance,
    kernel_distance_error,
)
from scenivid.perception.efficientnet import load_efficientnet
from scenivid.pixels import to_float
from scenivid.training.data.augment import Augment
from scenivid.training.data.images import scan
from scenivid.training.data.memory import MemorySet
from scenivid.training.painter.teacher import Teacher
from scenivid.training.run.log import grid
from scenivid.training.stylegan.realism import embed

_SEED = 20261122
_LEAST_SIDE = 64
_SHEET = 6
_CHUNK = 8


@dataclass(frozen=True)
class Figures:
    """Of one set of pictures, beside the style's."""

    name: str
    fd: float
    """FD-EffNet: Fréchet distance of pooled EfficientNet-Lite0 features to as many crops of the style."""
    kd: float
    """Kernel distance of the same features."""
    kd_error: float
    """Standard error of `kd`."""
    agreement: float
    """Mean cosine of the features of a photograph's crop and of its translation, 0..1."""


def measure(
    photos: Path, anime: Path, styles: dict[str, Path], augment: Augment, count: int
) -> list[Figures]:
    """Figures of the photographs themselves, of each style on them, and of other crops of the style's images.

    Args:
        styles: name to style file.
        augment: how crops are taken, of all sets alike.
        count: crops of each set.
    """
    eye = load_efficientnet()
    side = max(_LEAST_SIDE, augment.size)
    crops = _crops(photos, augment, count)
    painted = _crops(anime, augment, 2 * count)
    real = embed(painted[:count], eye, side)
    sets = {"photographs": crops}
    sets |= {name: translated(path, crops) for name, path in styles.items()}
    sets["other crops of the style"] = painted[count:]
    source = embed(crops, eye, side)
    made = []
    for name, images in sets.items():
        vectors = embed(images, eye, side)
        same = (
            F.cosine_similarity(vectors, source).mean()
            if name != "other crops of the style"
            else torch.tensor(0)
        )
        error = kernel_distance_error(vectors, real)
        fd, kd = frechet_distance(vectors, real), kernel_distance(vectors, real)
        made.append(Figures(name, fd, kd, error, float(same)))
    return made


def sheet(photos: Path, styles: dict[str, Path], side: int) -> Tensor:
    """A row of photographs, then a row of each style's, at the size that the last style is for."""
    crops = _crops(photos, Augment(side, 1.0, 1.0, flip=False), _SHEET)
    return grid([crops, *(translated(path, crops) for path in styles.values())])


def translated(style: Path, images: Tensor) -> Tensor:
    """[N, 3, H, W] in [0, 1], a few at a time."""
    teacher = Teacher(style)
    return torch.cat([teacher.paint(part).flat for part in torch.split(images, _CHUNK)])


def _crops(folder: Path, augment: Augment, count: int) -> Tensor:
    images = MemorySet(scan(folder), augment, seed=_SEED)
    return to_float(torch.stack([images[i] for i in range(count)]))
