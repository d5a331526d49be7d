"""Where (real, anime) pairs come from: two StyleGAN2s, the painter, a folder; see also `diffusion`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor

from scenivid.errors import ConfigError, DataError
from scenivid.nets.stylegan2 import Generator, load_generator, mean_style, swap_layers, truncate
from scenivid.pixels import to_float
from scenivid.training.data.augment import Augment
from scenivid.training.data.images import scan
from scenivid.training.data.samples import ImageSet, PairSet, find_pairs
from scenivid.training.painter.looks import Look, look_named
from scenivid.training.painter.painter import paint_composed
from scenivid.training.run.random_state import generator

SourceName = Literal["stylegan", "painter", "diffusers", "folder"]


class PairSource(Protocol):
    """An endless row of pairs; pair i is a function of i alone, so that a run can be resumed."""

    name: str

    def pairs(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Pairs `first` … `first + count − 1`: (real, anime), each [count, 3, H, W] float in [0, 1]."""


class StyleGanPairs:
    """The same w into both generators: z → w by the source's mapping, truncated towards the mean of 4,096 w.

    Args:
        source, target: of equal shapes, the target fine-tuned from the source.
        psi: truncation.
        share_noise: give both the same noise planes (tighter pairs); else each its own, as the official
            script does.
        swap_below: take the target's resolutions below this many px from the source; 0 = none.
    """

    name = "stylegan"

    def __init__(
        self,
        source: Generator,
        target: Generator,
        *,
        psi: float = 0.7,
        share_noise: bool = True,
        swap_below: int = 0,
        seed: int = 0,
    ) -> None:
        if source.params != target.params:
            raise ConfigError(f"the generators differ in shape: {source.params} and {target.params}")
        self.source, self.psi, self.share_noise, self.seed = source, psi, share_noise, seed
        self.target = swap_layers(target, source, swap_below) if swap_below else target
        self.mean = mean_style(source, 4096, generator(seed, 11))

    @torch.no_grad()
    def pairs(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        drawn = [self._draw(first + i) for i in range(count)]
        z = torch.stack([z for z, _, _ in drawn]).to(self.mean.device)
        w = truncate(self.source.style(z), self.mean, self.psi)
        real, anime = (
            net(w, [torch.cat(planes) for planes in zip(*(noise[side] for noise in noises), strict=True)])
            for side, (net, noises) in enumerate(
                (net, [sides for _, *sides in drawn]) for net in (self.source, self.target)
            )
        )
        return (real / 2 + 0.5).clamp(0, 1), (anime / 2 + 0.5).clamp(0, 1)

    def _draw(self, index: int) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """z, and the noise of the source and of the target, of one pair."""
        rng = generator(self.seed, 12, index)
        z = torch.randn(self.source.params.style_dim, generator=rng)
        noise = self.source.make_noise(1, rng)
        return z, noise, noise if self.share_noise else self.source.make_noise(1, rng)


class PainterPairs:
    """Crops of photographs and what the procedural painter makes of them."""

    name = "painter"

    def __init__(self, photos: ImageSet, look: Look, device: torch.device | str = "cpu") -> None:
        self.photos, self.look, self.device = photos, look, device

    @torch.no_grad()
    def pairs(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        real = _crops(self.photos, first, count).to(self.device)
        return real, paint_composed(real, self.look)


class FolderPairs:
    """The user's own pairs (layouts of `data.find_pairs`), each cropped to its middle square.

    Raises:
        DataError: no pairs in the folder; asking for more than there are.
    """

    name = "folder"

    def __init__(self, folder: Path, size: int) -> None:
        self.entries = find_pairs(folder)
        self._set = PairSet(self.entries, Augment(size, 1.0, 1.0, flip=False), seed=0)

    def __len__(self) -> int:
        return len(self.entries)

    def pairs(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        if first + count > len(self):
            raise DataError(f"the folder holds {len(self)} pairs; asked for {first} to {first + count - 1}")
        items = [self._set[i] for i in range(first, first + count)]
        real, anime = (torch.stack([item[side] for item in items]) for side in ("source", "target"))
        return to_float(real), to_float(anime)


def open_stylegan_pairs(
    source: Path,
    target: Path,
    device: torch.device,
    *,
    psi: float,
    share_noise: bool,
    swap_below: int,
    seed: int,
) -> StyleGanPairs:
    """Load both averages (`g_ema`) from files of the published layout."""
    a, b = (load_generator(path).to(device).requires_grad_(False) for path in (source, target))
    return StyleGanPairs(a, b, psi=psi, share_noise=share_noise, swap_below=swap_below, seed=seed)


def open_painter_pairs(
    photos: Path, style: str, augment: Augment, seed: int, device: torch.device
) -> PainterPairs:
    """Raises ConfigError for a look the painter doesn't know."""
    return PainterPairs(ImageSet(scan(photos), augment, seed), look_named(style), device)


def _crops(photos: ImageSet, first: int, count: int) -> Tensor:
    return to_float(torch.stack([photos[i] for i in range(first, first + count)]))
