"""Settings of `scenivid train lite`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scenivid.errors import ConfigError
from scenivid.nets.lite import GENTLEST, Lite, LiteParams
from scenivid.training.losses.contrastive import ContrastSettings
from scenivid.training.losses.temporal import MotionSettings
from scenivid.training.painter.batches import Degrade
from scenivid.training.painter.views import PairSettings
from scenivid.training.recipe import RunSettings, harmless
from scenivid.training.run.speed import Precision


@dataclass(frozen=True)
class Weights:
    """Weight of each loss; 0 switches it off and saves its cost."""

    pixel: float = 1.0
    """L1."""
    edges: float = 1.5
    """L1 of first differences and of the Laplacian: crispness."""
    colour: float = 1.0
    """L1 of 8 × 8 means: the light and colour of regions."""
    sharpness: float = 0.0
    """L1 between 4 × 4 means of gradient magnitudes: as crisp as the painting, wherever the strokes fall."""
    line: float = 1.0
    """L1 and squares of the line field, weighted towards lines, with its slopes."""
    line_amount: float = 1.0
    """L1 of 8 × 8 means of the squared line field: as many and as strong lines as the painter draws."""
    temporal: float = 1.0
    """L1 between a moved crop's result and the moved result."""
    perceptual: float = 0.05
    """L1 between EfficientNet-Lite0 features, relative to their size."""
    adversarial: float = 0.0
    """LSGAN against the unpaired `paintings`, on EfficientNet-Lite0's maps."""
    hdce: float = 0.0
    """HDCE of the inked result to its photograph, on the network's own encoder: the same content."""
    style_nce: float = 0.0
    """StylePatchNCE of the inked result to its painting, on the same: the same style, patch by patch."""


@dataclass(frozen=True)
class Recipe:
    """Settings of one style."""

    program: Literal["lite"] = "lite"
    run: RunSettings = RunSettings()
    style: str = "aozora"
    """Which of the painter's styles."""
    teacher: Path | None = None
    """A style file, of a translator say, whose results are learnt in place of the painter's: distillation."""
    photos: Path = Path("data/open/photos")
    paintings: Path = Path("data/open/paintings")
    """Folder of paintings for the adversarial loss; read only if it counts."""
    painting_zoom: tuple[float, ...] = (1.0, 2.2)
    """A crop's side is a painting's shorter side divided by a zoom drawn from this range."""
    cache: Path | None = harmless(None)
    """Folder where painted pairs are kept; none = OUT/pairs."""
    start: Path | None = None
    """A lite checkpoint to start from; none = from scratch."""
    paint: int | None = 540
    """Shorter side of the frames that the style is for, in pixels; none = any."""
    network: LiteParams = LiteParams()
    strengths: tuple[float, ...] = ()
    """Strengths below 1 for a network with a dial: each is painted for an eighth of the pairs."""
    dial_every: int = 4
    """Every how many steps one of them is trained, in turn."""
    begin_with: int | None = None
    """Begin with this many painted pairs, and take in more as another process paints them (see
    train/paint_pairs.py); none = paint all of them first. Only then is a run the same each time."""
    pairs: PairSettings = PairSettings()
    degrade: Degrade = Degrade()
    weights: Weights = Weights()
    vivid: float = 0.0
    """How much more the light and colour of saturated places count: 1 + vivid·(max − min of the target)."""
    crop: int = 224
    batch: int = 5
    """Crops a step."""
    moved: int = 1
    """How many of them are seen again, moved and with noise, for the temporal loss."""
    motion: MotionSettings = MotionSettings(shift=0.015, turn=1.0, scale=0.01, bend=0.002, noise=0.015)
    """How they are moved: by parts of a pixel and a few pixels."""
    perceptual_crops: int = 1
    """Crops of the batch on which the perceptual loss is taken."""
    critic: int = 64
    """Width of the discriminator's heads."""
    adversarial_from: int = 0
    """First step of the adversarial loss."""
    contrast: ContrastSettings = ContrastSettings()
    """Of `weights.hdce` and `weights.style_nce`."""
    learning_rate: float = 7e-4
    warmup: int = 200
    clip: float = 0.5
    """Largest norm of the gradient."""
    ema: float = 0.998
    """Decay of the averaged network that is kept."""
    precision: Precision = "bf16"
    compile: bool = harmless(False)
    """Let torch.compile make a program of the network: slow to begin, then faster, on a GPU above all."""
    workers: int = harmless(0)
    """Processes that cut and degrade crops."""

    name: str = harmless("")
    """Of the style file that is written; empty = that of the look."""
    licence: str = harmless("")
    """Of the style; empty = unknown, and the card says so."""
    commercial_use: bool = harmless(False)
    """Whether the licences of all pictures allow it."""
    data: tuple[str, ...] = harmless(())
    """Sources of the photographs with their licences, for the model card."""

    def __post_init__(self) -> None:
        if self.crop % Lite.multiple or self.crop > self.pairs.size:
            raise ConfigError(f"crop must be a multiple of {Lite.multiple} and at most pairs.size")
        if bool(self.strengths) != self.network.dial:
            raise ConfigError(
                "strengths are for a network with a dial (network.dial = true), and it needs some"
            )
        if not all(GENTLEST <= strength < 1 for strength in self.strengths):
            raise ConfigError(f"strengths must be at least {GENTLEST} and below 1")
        if self.teacher is not None and self.strengths:
            raise ConfigError("a teacher paints at full strength only: leave strengths empty")
        if len(self.painting_zoom) != 2:
            raise ConfigError("painting_zoom takes two numbers")
        if not 0 <= self.moved <= self.batch:
            raise ConfigError("moved must be at most batch")
        if self.dial_every < 2:
            raise ConfigError("dial_every must be at least 2")
