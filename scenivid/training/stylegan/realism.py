"""How far generated images are from real ones while training: FD-EffNet, logged at intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.perception.distances import frechet_distance
from scenivid.perception.efficientnet import EfficientNetLite0
from scenivid.training.recipe import harmless

CHUNK = 32
"""Images that are looked at together."""


@dataclass(frozen=True)
class RealismSettings:
    """When and on how many images FD-EffNet is taken."""

    every: int = harmless(1000)
    """Steps between two measurements; 0 = never. The first is at step 0."""
    images: int = 512
    """Images on each side. The distance depends on this number: compare equal ones only."""
    side: int = 128
    """Images are resized to this before EfficientNet, in px."""

    def __post_init__(self) -> None:
        if self.every < 0 or self.images < 2 or self.side < 32:
            raise ConfigError("realism: every ≥ 0, images ≥ 2 and side ≥ 32 expected")


@torch.no_grad()
def embed(images: Tensor, network: EfficientNetLite0, side: int) -> Tensor:
    """Pooled features [N, 1280] of images [N, 3, H, W] in [0, 1], in chunks."""
    parts = []
    for chunk in torch.split(images, CHUNK):
        resized = F.interpolate(chunk.float(), size=(side, side), mode="bilinear", antialias=True)
        parts.append(network.pooled(resized))
    return torch.cat(parts)


class Realism:
    """FD-EffNet against one fixed set of real images.

    Args:
        real: batches of `CHUNK` images, [N, 3, H, W] in [0, 1], on the network's device.
    """

    def __init__(self, real: Iterable[Tensor], network: EfficientNetLite0, settings: RealismSettings) -> None:
        self.network, self.settings = network, settings
        self.real = torch.cat([embed(batch, network, settings.side) for batch in real])

    def distance(self, make: Callable[[int, int], Tensor]) -> float:
        """Distance of `make(first, count)` images, [count, 3, H, W] in [0, 1], from the real ones."""
        counts = range(0, len(self.real), CHUNK)
        parts = [
            embed(make(i, min(CHUNK, len(self.real) - i)), self.network, self.settings.side) for i in counts
        ]
        return frechet_distance(torch.cat(parts), self.real)
