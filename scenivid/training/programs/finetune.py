"""`scenivid train finetune`: the source StyleGAN2 carried over to anime scenes under semantic constraints.

L_G = L_GAN + λ_g·(D_CLIP + λ_l·LPIPS) + λ_p·PatchNCE, between what the frozen source and the fine-tuned
generator make of the same w and noise. Scenimefy section 3.1; FreezeG and FreezeD keep the layout. D_CLIP is
the cosine distance of CLIP's embeddings. A directional loss and other networks are options of ours.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.nets.stylegan2 import Generator, StyleGAN2Params, load_generator
from scenivid.nets.stylegan2_discriminator import Discriminator, load_discriminator
from scenivid.perception.perceptual import Distance, open_distance
from scenivid.perception.semantic import EncoderName, SemanticEncoder, open_encoder
from scenivid.pixels import from_signed, to_float, to_signed
from scenivid.training.data.augment import Augment
from scenivid.training.data.memory import MemorySet
from scenivid.training.data.samples import ImageSet
from scenivid.training.data.segmenters import open_segmenter
from scenivid.training.data.selection import score_pairs
from scenivid.training.log import grid
from scenivid.training.loop import Progress, Stateful, generator
from scenivid.training.losses.semantic import (
    directional_loss,
    draw_boxes,
    embedding_distance,
    image_direction,
    patch_contrast,
)
from scenivid.training.planning.missing import Needed, ask_for, look_for, name_missing
from scenivid.training.programs.stylegan import open_critic, open_images, open_realism, open_stream, plan
from scenivid.training.recipe import RunSettings, harmless
from scenivid.training.stylegan.gan import NETWORKS, Gan, GanSettings, sample, train_and_save
from scenivid.training.stylegan.realism import RealismSettings
from scenivid.training.world import World, open_world
from scenivid.weights.catalogue import CLIP, VGG16, VGG19

logger = logging.getLogger(__name__)
_PUBLISHED = {"clip": CLIP, "vgg19": VGG19}
"""What each encoder is, where its weights come from others."""


@dataclass(frozen=True)
class Constraints:
    """Weights of the semantic losses; the paper doesn't give its own. All 0 = plain fine-tuning."""

    encoder: EncoderName = "clip"
    weights: Path | None = None
    """The encoder's file, where it can't be downloaded."""
    semantic: float = 1.0
    """λ_g: multiplies the three below."""
    directional: float = 0.0
    """All pairs change in one direction, from the source domain to the target domain. Not in the paper."""
    embedding: float = 1.0
    """The global embeddings of a pair stay close: D_CLIP."""
    perceptual: float = 0.5
    """λ_l: perceptual distance of a pair."""
    perceptual_network: Literal["lpips", "encoder"] = "lpips"
    """LPIPS on VGG16, as in the paper; or what the encoder has of the kind, which needs no other weights."""
    lpips_weights: Path | None = None
    """Torchvision's file of VGG16, where it can't be downloaded."""
    patch: float = 0.5
    """λ_p: PatchNCE between the same places of a pair."""
    patches: int = 16
    """Places an image."""
    source_text: str | None = None
    """Description of the source, for CLIP: the direction goes from one description to the other; none = from
    images to images."""
    target_text: str | None = None
    direction_images: int = 256
    """Images of each domain that the direction is taken from, without texts."""

    def __post_init__(self) -> None:
        if (self.source_text is None) != (self.target_text is None):
            raise ConfigError("constraints: give both source_text and target_text, or neither")
        if self.source_text is not None and self.encoder != "clip":
            raise ConfigError(f"constraints: {self.encoder} has no texts; use the encoder clip")
        if self.patches < 2 or self.direction_images < 1:
            raise ConfigError("constraints: patches must be at least 2, direction_images 1")

    @property
    def active(self) -> bool:
        """Whether any of them counts."""
        return self.patch > 0 or self.semantic * max(self.directional, self.embedding, self.perceptual) > 0


@dataclass(frozen=True)
class Recipe:
    """Settings of one fine-tuning; the defaults are the paper's where it says."""

    program: Literal["finetune"] = "finetune"
    run: RunSettings = RunSettings(steps=1000, sample_every=100)
    source: Path = Path("runs/stylegan/stylegan2.pt")
    """The source networks, of the published layout: g_ema (or g) and d."""
    images: Path = Path("data/open/paintings")
    """Folder of the target domain."""
    gan: GanSettings = GanSettings(
        batch=8, path=0.0, ema=0.5 ** (32 / 10_000), augment="ada", trained_blocks=4, frozen_d_layers=3
    )
    constraints: Constraints = Constraints()
    realism: RealismSettings = RealismSettings(every=100)
    zoom_min: float = 1.0
    zoom_max: float = 1.0
    flip: bool = True
    in_memory: bool = False
    workers: int = harmless(2)

    def __post_init__(self) -> None:
        if self.gan.trained_blocks < 1:
            raise ConfigError("finetune shares the source's mapping: gan.trained_blocks must be at least 1")


def run(
    recipe: Recipe,
    out: Path,
    *,
    minutes: float | None = None,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Fine-tune, or go on, and write `out`/stylegan2.pt in the published layout.

    Raises:
        CheckpointError: the source file, or the encoder's weights, can't be had or don't fit.
        DataError: no usable images.
    """
    if dry_run:
        held = look_for("source", partial(load_generator, recipe.source), recipe.source)
        params = StyleGAN2Params() if held is None else held.params
        if held is not None:
            load_discriminator(recipe.source, params)
        plan(recipe, Augment(params.size, recipe.zoom_min, recipe.zoom_max, recipe.flip), params)
        name_missing(weights_of(recipe))
        return out / NETWORKS
    ask_for(weights_of(recipe))
    source = load_generator(recipe.source)
    discriminator = load_discriminator(recipe.source, source.params)
    augment = Augment(source.params.size, recipe.zoom_min, recipe.zoom_max, recipe.flip)
    images = open_images(recipe.images, augment, recipe.run.seed, recipe.in_memory)
    logger.info("%d images in %s", len(images), recipe.images)
    torch.manual_seed(recipe.run.seed)
    program = FinetuneProgram(recipe, source, discriminator, images, open_world())
    return train_and_save(program, program.gan, recipe, out, minutes, progress)


def weights_of(recipe: Recipe) -> list[Needed]:
    """Weights of others that the losses need."""
    settings = recipe.constraints
    found: list[Needed] = []
    if settings.active and settings.encoder in _PUBLISHED:
        found.append((_PUBLISHED[settings.encoder], settings.weights))
    if settings.perceptual_network == "lpips" and settings.semantic * settings.perceptual:
        found.append((VGG16, settings.lpips_weights))
    return found


class FinetuneProgram:
    """A GAN that starts as the source and is held to it."""

    def __init__(
        self,
        recipe: Recipe,
        source: Generator,
        d: Discriminator,
        images: ImageSet | MemorySet,
        world: World,
    ) -> None:
        self.recipe, self.images, self.device = recipe, images, world.device
        self.source = source.to(self.device).eval().requires_grad_(False)
        critic = open_critic(images, recipe.gan, world)
        self.gan = Gan(copy.deepcopy(source), d, recipe.gan, recipe.run.seed, world, critic)
        self.stream = open_stream(images, recipe.gan.batch, recipe.workers, world)
        self.constraint = self._open_constraint() if recipe.constraints.active else None
        self.realism = open_realism(images, recipe.realism, world)
        self.segmenter = open_segmenter("clusters", self.device) if self.realism is not None else None

    def state(self) -> Mapping[str, Stateful]:
        """Networks, averages and optimisers; the source doesn't change."""
        return self.gan.state()

    def step(self, index: int) -> Mapping[str, Tensor | float]:
        """One step of D, one of G; FD-EffNet and the agreement of pairs at intervals."""
        logged: dict[str, Tensor | float] = {}
        if self.realism is not None and index % self.recipe.realism.every == 0:
            logged |= self._measure()
        real = to_signed(to_float(self.stream.batch(index)["image"].to(self.device, non_blocking=True)))
        losses = self.gan.discriminator_step(real, index)

        def constrain(images: Tensor, w: Tensor, noise: Sequence[Tensor]) -> dict[str, Tensor]:
            if self.constraint is None:
                return {}
            with torch.no_grad():
                partner = self.source(w, noise)
            rng = generator(self.recipe.run.seed, 7, index, device=self.device)
            boxes = draw_boxes(self.recipe.constraints.patches, rng)
            return self.constraint(from_signed(partner), from_signed(images), boxes)

        return logged | self.gan.joint(losses | self.gan.generator_step(index, constrain))

    def samples(self) -> Tensor:
        """Rows of the source's images above the fine-tuned generator's of the same w; a row of real ones."""
        seed = self.recipe.run.seed
        first, second = (
            torch.split(sample(net, seed, 0, 24, 0.7).cpu(), 8) for net in (self.source, self.gan.ema)
        )
        real = torch.stack([to_float(self.images[i]) for i in range(8)])
        return grid([row for rows in zip(first, second, strict=True) for row in rows] + [real])

    def _measure(self) -> dict[str, Tensor | float]:
        assert self.realism is not None and self.segmenter is not None
        seed = self.recipe.run.seed
        distance = self.realism.distance(lambda first, count: sample(self.gan.ema, seed, first, count))
        # The two generators share the mapping and the stored noise, so samples of one number are a pair.
        count = min(64, self.recipe.realism.images)
        pair = [sample(net, seed, 0, count, 0.7) for net in (self.source, self.gan.ema)]
        scores = score_pairs(self.segmenter, pair[0], pair[1])
        return {"fd_effnet": distance, "agreement": sum(score.agreement for score in scores) / len(scores)}

    def _open_constraint(self) -> Callable[[Tensor, Tensor, Tensor], dict[str, Tensor]]:
        settings = self.recipe.constraints
        encoder = open_encoder(settings.encoder, self.device, settings.weights)
        direction = self._direction(encoder) if settings.semantic * settings.directional else None
        distance: Distance = encoder.distance
        if settings.perceptual_network == "lpips" and settings.semantic * settings.perceptual:
            distance = open_distance("lpips", self.device, settings.lpips_weights)
        return lambda x, y, boxes: semantic_losses(encoder, settings, x, y, boxes, direction, distance)

    def _direction(self, encoder: SemanticEncoder) -> Tensor:
        """From the source domain to the target's: by texts where they are given, else by images of both."""
        settings, seed = self.recipe.constraints, self.recipe.run.seed
        if settings.source_text is not None and settings.target_text is not None:
            from scenivid.perception.clip_encoder import ClipEncoder

            assert isinstance(encoder, ClipEncoder)
            return encoder.text_direction(settings.source_text, settings.target_text)
        chunk = min(16, settings.direction_images)
        starts = range(0, settings.direction_images, chunk)
        drawn = (sample(self.source, seed, i, chunk) for i in starts)
        target = (
            to_float(torch.stack([self.images[i + j] for j in range(16)])).to(self.device) for i in starts
        )
        return image_direction(encoder, drawn, target)


def semantic_losses(
    encoder: SemanticEncoder,
    settings: Constraints,
    x: Tensor,
    y: Tensor,
    boxes: Tensor,
    direction: Tensor | None,
    distance: Distance,
) -> dict[str, Tensor]:
    """The weighted losses that are switched on, by name.

    Args:
        x: images of the source, [N, 3, H, W] in [0, 1]; no gradient reaches them.
        y: images of the fine-tuned generator, in the same range.
        boxes: [K, 4] places for PatchNCE.
        direction: [D]; None leaves the directional loss out.
        distance: the perceptual one.
    """
    losses: dict[str, Tensor] = {}
    x = x.detach()
    if direction is not None:
        weight = settings.semantic * settings.directional
        losses["directional"] = weight * directional_loss(encoder, x, y, direction)
    if settings.semantic * settings.embedding:
        losses["embedding"] = settings.semantic * settings.embedding * embedding_distance(encoder, x, y)
    if settings.semantic * settings.perceptual:
        losses["perceptual"] = settings.semantic * settings.perceptual * distance(y, x)
    if settings.patch:
        losses["patch"] = settings.patch * patch_contrast(encoder, x, y, boxes)
    return losses
