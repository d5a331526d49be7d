"""What a look is compared by: crops of its pictures, their colours, and their EfficientNet features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.oklab import rgb_to_oklab
from scenivid.perception.efficientnet import EfficientNetLite0
from scenivid.pixels import to_float
from scenivid.training.data.augment import Augment
from scenivid.training.data.images import Entry
from scenivid.training.data.memory import MemorySet
from scenivid.training.losses.look import draw_directions, draw_points, moments, sliced_wasserstein

_TEXTURE = (1, 2, 3)
"""Maps that are compared place by place: strides 4, 8 and 16; the first knows compression and noise."""
_DIRECTIONS = 48
_SMALL = 2
"""Colours are compared at this fraction of the size: what the eye takes for one."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Crops of a look's pictures and what is known of them."""

    crops: Tensor
    """[V, 3, C, C] in [0, 1]."""
    maps: tuple[Tensor, ...]
    """EfficientNet's maps of them."""
    colours: Tensor
    """Oklab of the crops, reduced, [V, 3, C / 2, C / 2]."""
    scales: tuple[Tensor, ...]
    """1 / deviation of each map's channels, [C, 1, 1]."""
    statistics: tuple[tuple[Tensor, Tensor], ...]
    """Mean and deviation of each map's channels."""

    def palette(self, images: Tensor, random: torch.Generator, places: int) -> Tensor:
        """Sliced Wasserstein distance of colours, Oklab units. images: [N, 3, H, W] in [0, 1]."""
        ours, theirs = (draw_points(side, places, random) for side in (_colours(images), self.colours))
        return sliced_wasserstein(ours, theirs, draw_directions(3, 24, random, images.device))

    def texture(self, maps: Sequence[Tensor], random: torch.Generator, places: int) -> Tensor:
        """The same of features, in their deviations; mean over the maps."""
        terms = []
        for number in _TEXTURE:
            scale = self.scales[number]
            ours, theirs = (
                draw_points(side.float() * scale, places, random)
                for side in (maps[number], self.maps[number])
            )
            directions = draw_directions(ours.shape[1], _DIRECTIONS, random, ours.device)
            terms.append(sliced_wasserstein(ours, theirs, directions))
        return torch.stack(terms).mean()


def crops_of(entries: Sequence[Entry], crop: int, paint: int, count: int, seed: int, salt: int) -> Tensor:
    """Crops of pictures at about the size at which they are painted, [count, 3, C, C] in [0, 1].

    Raises:
        DataError: none of them can be decoded.
    """
    pictures = MemorySet(entries, zoomed(crop, paint), seed, salt)
    return to_float(torch.stack([pictures[number] for number in range(count)]))


def zoomed(crop: int, paint: int) -> Augment:
    """Crops of pictures whose shorter side is `paint`, or down to two thirds of that."""
    most = paint / crop
    return Augment(crop, max(1.0, 0.67 * most), most)


def reference_of(crops: Tensor, eye: EfficientNetLite0, device: torch.device) -> Reference:
    """Look at crops of the pictures once, a few at a time."""
    parts = []
    with torch.no_grad():
        for part in torch.split(crops, 8):
            parts.append(eye.forward_features(part.to(device)))
    maps = tuple(torch.cat(side) for side in zip(*parts, strict=True))
    statistics = tuple(moments(maps))
    scales = tuple((1 / deviation.clamp(min=1e-3))[:, None, None] for _, deviation in statistics)
    crops = crops.to(device)
    return Reference(crops, maps, _colours(crops), scales, statistics)


def _colours(images: Tensor) -> Tensor:
    return rgb_to_oklab(F.avg_pool2d(images.float().clamp(0, 1), _SMALL))


def entries_of(paths: Sequence[Path]) -> list[Entry]:
    """Files as entries of a data set."""
    return [Entry(path, path.name) for path in paths]
