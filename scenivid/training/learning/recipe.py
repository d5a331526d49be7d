"""Settings of `scenivid styles learn`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from scenivid.errors import ConfigError
from scenivid.nets.lite import Lite
from scenivid.training.losses.temporal import MotionSettings
from scenivid.training.recipe import RunSettings, harmless


@dataclass(frozen=True)
class Weights:
    """Weight of each loss; 0 switches it off and saves its cost."""

    anchor: float = 1.0
    """Pixels, edges and regions of the start style's painting in the new colours."""
    anchor_end: float = 0.9
    """The same at the end: by then texture may differ a little."""
    flat: float = 1.5
    """As much local contrast as that painting."""
    palette: float = 1.0
    """Sliced Wasserstein distance of colours, in Oklab, to the pictures'."""
    texture: float = 0.04
    """The same of EfficientNet-Lite0's features at strides 2, 4 and 8, place by place."""
    statistics: float = 0.015
    """Means and deviations of the features' channels at all strides."""
    content: float = 0.05
    """Features at strides 8 and 16 stay those of the photograph."""
    temporal: float = 3.0
    """What moved is painted as the moved painting."""
    line: float = 0.3
    """The line field stays near the start style's."""
    contrast: float = 0.05
    """StylePatchNCE; only with `enough` pictures."""
    adversarial: float = 0.05
    """A patch discriminator on the same features; only with `enough` pictures."""


@dataclass(frozen=True)
class Recipe:
    """Settings of one style that is learnt from pictures."""

    program: Literal["learn"] = "learn"
    run: RunSettings = field(
        default_factory=lambda: RunSettings(
            steps=1_000_000, checkpoint_minutes=1.0, log_every=20, sample_every=0, tensorboard=False
        )
    )
    pictures: tuple[Path, ...] = ()
    """Of the look; those held out are not among them."""
    photos: Path = Path("data/open/photos")
    """Folder of photographs or frames: the content that is painted."""
    start: Path = Path("aozora.safetensors")
    """The lite style to begin with."""
    minutes: float = harmless(15.0)
    ink: Literal["learn", "off"] = "learn"
    """Whether the style draws lines, or only colours are judged."""
    weights: Weights = field(default_factory=Weights)
    first: float = 0.5
    """Share of the time in which only the aims count: what the start style paints, recoloured."""
    judged_every: int = 2
    """Of the steps after that, how many are looked at by EfficientNet: one in so many."""
    tone: int = 48
    """Width of the map of tones that a network without one is given."""
    tone_steps: int = 600
    """Steps in which that map alone is fitted to the pictures' colours."""
    enough: int = 24
    """Pictures from which a discriminator and StylePatchNCE help more than they memorise."""
    paint: int = 540
    """Shorter side, in pixels, at which photographs and pictures are looked at."""
    crop: int = 160
    batch: int = 2
    moved: int = 1
    """How many crops are seen again, moved and with noise."""
    motion: MotionSettings = field(
        default_factory=lambda: MotionSettings(shift=0.02, turn=1.0, scale=0.01, bend=0.002, noise=0.015)
    )
    views: int = 64
    """Crops of the pictures that are compared with, drawn once."""
    places: int = 2048
    """Places of a map that are compared at once."""
    critic: int = 48
    """Width of the discriminator's heads."""
    scale_rate: float = 1e-3
    """Learning rate of scales and shifts."""
    learning_rate: float = 5e-4
    """Of everything else."""
    clip: float = 1.0
    ema: float = 0.98
    precision: Literal["fp32", "bf16"] = "bf16"

    def __post_init__(self) -> None:
        if self.crop % Lite.multiple or self.crop > self.paint:
            raise ConfigError(f"crop must be a multiple of {Lite.multiple} and at most paint")
        if not 0 <= self.moved <= self.batch:
            raise ConfigError("moved must be at most batch")
        if self.minutes <= 0:
            raise ConfigError("minutes must be above 0")
