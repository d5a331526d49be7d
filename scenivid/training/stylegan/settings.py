"""Settings of a StyleGAN2's training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scenivid.errors import ConfigError
from scenivid.training.run.speed import Precision


@dataclass(frozen=True)
class GanSettings:
    """How a StyleGAN2 is trained; the defaults are config F's."""

    batch: int = 16
    """Images a step and process."""
    learning_rate: float = 2e-3
    r1: float = 10.0
    """γ of the R1 penalty."""
    r1_every: int = 16
    path: float = 2.0
    """Weight of the path length penalty; 0 = off."""
    path_every: int = 4
    path_shrink: int = 2
    """The path penalty is taken on batch/path_shrink samples."""
    mixing: float = 0.9
    """Probability of style mixing."""
    ema: float = 0.5 ** (16 / 10_000)
    """Decay of the generator's average a step: here it halves in 10,000 images at a batch of 16."""
    augment: Literal["none", "ada", "diffaugment", "adaptive-diffaugment"] = "none"
    """What the discriminator sees is changed: "ada" as StyleGAN2-ADA does it, with a probability that adapts;
    "diffaugment" always, with that paper's colour, translation and cutout; "adaptive-diffaugment" these with
    ADA's probability."""
    ada_target: float = 0.6
    """What the mean sign of D's judgement of real images is held at, by the probability."""
    ada_images: int = 500_000
    """Images in which that probability can go from 0 to 1."""
    trained_blocks: int = 0
    """FreezeG: train only this many of the finest resolutions, and not the mapping; 0 = everything."""
    frozen_d_layers: int = 0
    """FreezeD: the first layers of the discriminator (from RGB, largest block, …) that stay as they are."""
    features: float = 0.0
    """Weight of a second discriminator, on frozen features (Projected GAN): for few images and steps."""
    features_side: int = 128
    """Images are resized to this for it, in px."""
    precision: Precision = "fp32"
    """Numbers of the forward passes; the regularisers stay in float32."""

    def __post_init__(self) -> None:
        if min(self.batch, self.r1_every, self.path_every, self.path_shrink, self.ada_images) < 1:
            raise ConfigError("gan: batch, r1_every, path_every, path_shrink, ada_images: at least 1 each")
        if not 0 <= self.mixing <= 1 or not 0 <= self.ema < 1:
            raise ConfigError("gan: mixing must lie in 0..1 and ema in [0, 1)")
        if self.features < 0 or self.features_side < 32:
            raise ConfigError("gan: features must be at least 0 and features_side 32")
