"""`scenivid train finetune`: the source StyleGAN2 carried over to anime scenes under semantic constraints.

L_G = L_GAN + what `stylegan.constraints` adds. Scenimefy section 3.1; FreezeG and FreezeD keep the layout.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.nets.stylegan2 import Generator, StyleGAN2Params, load_generator
from scenivid.nets.stylegan2_discriminator import Discriminator, load_discriminator
from scenivid.perception.semantic import SemanticEncoder
from scenivid.pixels import to_float, to_signed
from scenivid.training.data.augment import Augment
from scenivid.training.data.memory import MemorySet
from scenivid.training.data.samples import ImageSet
from scenivid.training.losses.semantic import image_direction
from scenivid.training.pairs.segmenters import open_segmenter
from scenivid.training.pairs.selection import score_pairs
from scenivid.training.planning.missing import Needed, ask_for, look_for, name_missing
from scenivid.training.programs.stylegan import open_critic, open_images, open_realism, open_stream, plan
from scenivid.training.recipe import RunSettings, harmless
from scenivid.training.run.log import grid
from scenivid.training.run.loop import Progress
from scenivid.training.run.program import Stateful
from scenivid.training.run.random_state import generator
from scenivid.training.run.world import World, open_world
from scenivid.training.stylegan.constraints import Constraints, Held, open_judges
from scenivid.training.stylegan.gan import Gan
from scenivid.training.stylegan.realism import RealismSettings
from scenivid.training.stylegan.results import NETWORKS, sample, train_and_save
from scenivid.training.stylegan.settings import GanSettings
from scenivid.weights.catalogue import CLIP, VGG16, VGG19

logger = logging.getLogger(__name__)
_AT_ONCE = 8
"""Pairs that are looked at together."""
_PUBLISHED = {"clip": CLIP, "vgg19": VGG19}
"""What each encoder is, where its weights come from others."""


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
        augment = Augment(params.size, recipe.zoom_min, recipe.zoom_max, recipe.flip)
        plan(recipe, augment, params, recipe.constraints)
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
    if settings.wants_lpips:
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
        self.held = self._hold() if recipe.constraints.active else None
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

        extra = None
        if self.held is not None:
            rng = generator(self.recipe.run.seed, 7, index, device=self.device)
            extra = partial(self.held.losses, rng=rng)
        return logged | self.gan.joint(losses | self.gan.generator_step(index, extra))

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
        scores = []
        for first in range(0, count, _AT_ONCE):
            some = min(_AT_ONCE, count - first)
            x, y = (sample(net, seed, first, some, 0.7) for net in (self.source, self.gan.ema))
            scores += score_pairs(self.segmenter, x, y)
        return {"fd_effnet": distance, "agreement": sum(score.agreement for score in scores) / len(scores)}

    def _hold(self) -> Held:
        settings = self.recipe.constraints
        judges = open_judges(settings, self.device)
        direction = self._direction(judges.encoder) if settings.semantic * settings.directional else None
        return Held(self.source, judges, settings, direction)

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
