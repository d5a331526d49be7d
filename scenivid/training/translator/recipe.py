"""Settings of the translator's training, and what follows from them: data sets, networks, schedules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from torch import nn

from scenivid.errors import CheckpointError, ConfigError
from scenivid.nets.checkpoint import load_checkpoint
from scenivid.nets.discriminators import PatchDiscriminator, PatchParams
from scenivid.nets.lite import Lite, LiteParams
from scenivid.nets.translator import Translator, TranslatorParams
from scenivid.perception.perceptual import DistanceName
from scenivid.training.data.augment import Augment
from scenivid.training.data.images import scan
from scenivid.training.data.samples import ImageSet, PairSet, find_pairs
from scenivid.training.losses.adversarial import curriculum, epoch_of, pair_weight
from scenivid.training.losses.contrastive import ContrastSettings, ProjectionHeads
from scenivid.training.losses.temporal import MotionSettings
from scenivid.training.recipe import RunSettings, harmless
from scenivid.training.run.speed import Precision
from scenivid.training.translator.translation import FeatureGenerator, Moment, Weights


@dataclass(frozen=True)
class Recipe:
    """Settings of one translator training; the defaults are the paper's."""

    program: Literal["translator"] = "translator"
    run: RunSettings = RunSettings(steps=1_800_000, sample_every=2000, log_every=100)
    photos: Path = Path("data/photos")
    """Unpaired photographs: a folder, a tree, or WebDataset shards (*.tar)."""
    paintings: Path = Path("data/paintings")
    """Unpaired images of the style; likewise."""
    pairs: Path | None = None
    """Pairs, see `data.find_pairs`; none = the unsupervised branch alone."""
    augment: Augment = field(default_factory=Augment)
    pair_augment: Augment | None = None
    """Of pairs, where it isn't the same: pairs of 64 px can't be cut as closely as photographs."""
    features_side: int = 128
    """Images are resized to this for the discriminator on frozen features, see `weights.features`."""
    generator: Literal["translator", "lite"] = "translator"
    translator: TranslatorParams = field(default_factory=TranslatorParams)
    lite: LiteParams = field(default_factory=LiteParams)
    start: Path | None = None
    """A style file whose generator to start from."""
    discriminator_width: int = 64
    discriminator_layers: int = 3
    weights: Weights = field(default_factory=Weights)
    contrast: ContrastSettings = field(default_factory=ContrastSettings)
    motion: MotionSettings = field(default_factory=MotionSettings)
    """Synthetic motion of the temporal loss."""
    perceptual: DistanceName = "vgg19"
    """Network of the perceptual loss, where its weight isn't 0."""
    perceptual_weights: Path | None = None
    """File of that network, where it can't be downloaded."""
    epochs: int = 20
    """Equal parts of the run, for the fading of the supervised branch."""
    constant: float = 0.5
    """Share of the run before the learning rate begins to fall linearly to 0."""
    learning_rate: float = 2e-4
    betas: tuple[float, ...] = (0.5, 0.999)
    clip: float = 1.0
    """Longest gradient of each network; 0 = no limit."""
    batch: int = 1
    """Images a device and pass."""
    accumulate: int = 1
    """Passes a step."""
    precision: Precision = "fp32"
    compile: bool = harmless(False)
    """Let torch.compile make a program of G: slow to begin, then faster, on a GPU above all."""
    ema: float = 0.999
    """Decay of the averaged generator that is kept; 0 keeps the last one itself."""
    official_compat: bool = False
    """Repeat two defects of the official code: λ_pair never fades, λ of StylePatchNCE counts twice."""
    device: Literal["auto", "cpu"] = harmless("auto")
    workers: int = harmless(2)
    name: str = harmless("style")
    """Name of the style file that is written."""
    licence: str = harmless("")
    """Licence of the style; empty = unknown, and the card says so."""
    commercial_use: bool = harmless(False)
    """Whether the licences of all pictures allow it."""
    data: tuple[str, ...] = harmless(())
    """Sources of the training data with their licences, for the model card."""

    def __post_init__(self) -> None:
        if min(self.batch, self.accumulate, self.epochs, self.discriminator_width) < 1:
            raise ConfigError("batch, accumulate, epochs and discriminator_width must be at least 1")
        if not 0 <= self.ema < 1 or not 0 <= self.constant <= 1 or len(self.betas) != 2:
            raise ConfigError("ema must lie in [0, 1), constant in [0, 1], and betas takes two numbers")
        if self.lite.dial:
            raise ConfigError("lite.dial: only `train lite` trains a dial")
        object.__setattr__(self, "lite", replace(self.lite, line=False))  # the paper's losses know no lines
        multiple = Lite.multiple if self.generator == "lite" else Translator.multiple
        if self.augment.size % multiple:
            raise ConfigError(f"augment.size {self.augment.size} must be a multiple of {multiple}")
        if self.features_side < 32:
            raise ConfigError("features_side must be at least 32")
        if self.pair_augment is not None and self.pair_augment.size != self.augment.size:
            raise ConfigError(
                f"pair_augment.size {self.pair_augment.size} must be augment.size {self.augment.size}: "
                "both go through one pass"
            )


def open_sets(recipe: Recipe) -> dict[str, ImageSet | PairSet]:
    """The data of a recipe: "photo", "painting" and, with supervision, "pair".

    Raises:
        DataError: a folder is missing or holds nothing usable.
    """
    return {name: opened() for name, opened in set_openers(recipe).items()}


def set_openers(recipe: Recipe) -> dict[str, Callable[[], ImageSet | PairSet]]:
    """How to open each of `open_sets`; each raises a DataError of its own."""
    seed, pairs = recipe.run.seed, recipe.pairs

    def images(folder: Path, salt: int) -> ImageSet:
        return ImageSet(scan(folder, max(8, recipe.augment.size // 2)), recipe.augment, seed, salt=salt)

    openers: dict[str, Callable[[], ImageSet | PairSet]] = {
        "photo": partial(images, recipe.photos, 1),
        "painting": partial(images, recipe.paintings, 2),
    }
    if pairs is not None:
        augment = recipe.pair_augment or recipe.augment
        openers["pair"] = lambda: PairSet(find_pairs(pairs), augment, seed, salt=3)
    return openers


def build(recipe: Recipe, supervised: bool) -> dict[str, Any]:
    """New networks by role: g (a FeatureGenerator), d, d_pair, heads, heads_pair; those that are of use.

    Raises:
        CheckpointError: `recipe.start` isn't a generator of this recipe's shape.
    """
    net = Lite(recipe.lite) if recipe.generator == "lite" else Translator(recipe.translator)
    weights, contrast = recipe.weights, recipe.contrast
    channels = net.feature_channels
    width, layers = recipe.discriminator_width, recipe.discriminator_layers
    parts: dict[str, nn.Module] = {"g": FeatureGenerator(net)}
    if weights.gan:
        parts["d"] = PatchDiscriminator(PatchParams(3, width, layers))
    if weights.contrast:
        parts["heads"] = ProjectionHeads(channels, contrast.width)
    if supervised and weights.pair_gan:
        parts["d_pair"] = PatchDiscriminator(PatchParams(6, width, layers))
    if supervised and weights.style_nce:
        parts["heads_pair"] = ProjectionHeads(channels, contrast.width)
    if recipe.start is not None:
        held, start = load_checkpoint(recipe.start)
        if isinstance(held, Lite):
            held = held.at(1.0)
        if start.architecture != recipe.generator or held.params != net.params:
            raise CheckpointError(
                f"{recipe.start} is a {start.architecture} with {held.params}; "
                f"the recipe asks for a {recipe.generator} with {net.params}"
            )
        net.load_state_dict(held.state_dict())
    return parts


def moment_of(recipe: Recipe, index: int) -> Moment:
    """The schedules at step `index`."""
    steps, contrast = recipe.run.steps, recipe.contrast
    epoch = epoch_of(index, steps, recipe.epochs)
    return Moment(
        gamma=curriculum(index, steps, contrast.gamma_start, contrast.gamma_end),
        pair_weight=pair_weight(epoch, recipe.epochs, recipe.official_compat),
        double_style_nce=recipe.official_compat,
    )
