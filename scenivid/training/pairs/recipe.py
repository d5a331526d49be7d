"""Settings of `scenivid train pairs`, and the source of pairs that they name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from scenivid.errors import ConfigError
from scenivid.training.data.augment import Augment
from scenivid.training.data.images import scan
from scenivid.training.data.samples import ImageSet
from scenivid.training.pairs.diffusion import DiffusionPairs, DiffusionSettings, open_pipeline
from scenivid.training.pairs.segmenters import SegmenterName
from scenivid.training.pairs.selection import SelectionSettings
from scenivid.training.pairs.sources import (
    FolderPairs,
    PairSource,
    SourceName,
    open_painter_pairs,
    open_stylegan_pairs,
)
from scenivid.training.recipe import RunSettings, harmless


@dataclass(frozen=True)
class StyleGanSettings:
    """Pairs from two StyleGAN2s."""

    source: Path = Path("runs/stylegan/stylegan2.pt")
    target: Path = Path("runs/finetune/stylegan2.pt")
    psi: float = 0.7
    """Truncation towards the mean of 4,096 w."""
    share_noise: bool = True
    swap_below: int = 0
    """Resolutions below this many px come from the source in both images; 0 = none."""


@dataclass(frozen=True)
class PhotoSettings:
    """Pairs made from photographs, by the painter or by a diffusion model."""

    photos: Path = Path("data/open/photos")
    size: int = 256
    """Side of a crop in px; for a folder of pairs, too."""
    zoom_min: float = 1.0
    zoom_max: float = 1.5
    style: str = "aozora"
    """The painter's style."""


@dataclass(frozen=True)
class Recipe:
    """Settings of one set of pairs. `run.steps` is ignored: the candidates say how much there is to do."""

    program: Literal["pairs"] = "pairs"
    run: RunSettings = RunSettings(sample_every=0)
    pairs: SourceName = "stylegan"
    candidates: int = 50_000
    """Pairs made; what is kept depends on the selection."""
    batch: int = 16
    stylegan: StyleGanSettings = StyleGanSettings()
    photo: PhotoSettings = PhotoSettings()
    diffusion: DiffusionSettings = DiffusionSettings()
    folder: Path = Path("data/pairs")
    """The user's own pairs, for `pairs = "folder"`."""
    segmenter: SegmenterName | Literal["none"] = "mask2former"
    """"none" keeps every pair."""
    segmenter_weights: Path | None = None
    selection: SelectionSettings = SelectionSettings()
    save_dropped: bool = harmless(False)
    """Whether to write the images of dropped pairs as well; the manifest marks them."""

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.batch < 1:
            raise ConfigError("pairs: candidates and batch must be at least 1")


def open_source(recipe: Recipe, device: torch.device) -> PairSource:
    """The source that the recipe names."""
    photo, seed = recipe.photo, recipe.run.seed
    if recipe.pairs == "stylegan":
        gan = recipe.stylegan
        return open_stylegan_pairs(
            gan.source, gan.target, device,
            psi=gan.psi, share_noise=gan.share_noise, swap_below=gan.swap_below, seed=seed,
        )  # fmt: skip
    augment = Augment(photo.size, photo.zoom_min, photo.zoom_max)
    if recipe.pairs == "painter":
        return open_painter_pairs(photo.photos, photo.style, augment, seed, device)
    if recipe.pairs == "diffusers":
        held = recipe.diffusion
        photos = ImageSet(scan(photo.photos), replace(augment, size=held.side), seed)
        return DiffusionPairs(photos, open_pipeline(held, device), held, photo.size, seed)
    return FolderPairs(recipe.folder, photo.size)


def needed_paths(recipe: Recipe) -> tuple[Path, ...]:
    """What `open_source` reads."""
    if recipe.pairs == "stylegan":
        return recipe.stylegan.source, recipe.stylegan.target
    return (recipe.folder if recipe.pairs == "folder" else recipe.photo.photos,)
