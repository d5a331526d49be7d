"""`scenivid train stylegan`: a StyleGAN2 of the source domain (landscapes), or of any folder of images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from scenivid.nets.stylegan2 import (
    Generator,
    StyleGAN2Params,
    load_generator,
    load_state,
    read_checkpoint,
)
from scenivid.nets.stylegan2_discriminator import Discriminator, load_discriminator
from scenivid.perception.efficientnet import load_efficientnet
from scenivid.pixels import to_float, to_signed
from scenivid.training.data.augment import Augment
from scenivid.training.data.images import scan
from scenivid.training.data.memory import MemorySet
from scenivid.training.data.samples import ImageSet, Stream
from scenivid.training.losses.feature_critic import EXAMPLES, FeatureCritic
from scenivid.training.planning.gan import describe
from scenivid.training.planning.missing import look_for
from scenivid.training.recipe import RunSettings, harmless
from scenivid.training.run.log import grid
from scenivid.training.run.loop import Progress
from scenivid.training.run.program import Stateful
from scenivid.training.run.world import World, open_world
from scenivid.training.stylegan.constraints import Constraints
from scenivid.training.stylegan.gan import Gan
from scenivid.training.stylegan.realism import CHUNK, Realism, RealismSettings
from scenivid.training.stylegan.results import NETWORKS, sample, train_and_save
from scenivid.training.stylegan.settings import GanSettings

logger = logging.getLogger(__name__)
_FAR = 10**9  # item numbers that no training reaches


@dataclass(frozen=True)
class Recipe:
    """Settings of one StyleGAN2 training; the defaults are the paper's source domain."""

    program: Literal["stylegan"] = "stylegan"
    run: RunSettings = RunSettings(steps=220_000, sample_every=1000)
    images: Path = Path("data/open/photos")
    """Folder of training images, searched at any depth."""
    network: StyleGAN2Params = StyleGAN2Params()
    gan: GanSettings = GanSettings()
    realism: RealismSettings = RealismSettings()
    zoom_min: float = 1.0
    """A crop's side is the image's shorter side divided by a zoom drawn from [zoom_min, zoom_max]."""
    zoom_max: float = 1.0
    flip: bool = True
    start: Path | None = None
    """A checkpoint of the published layout (g, d) to start from; none = from scratch."""
    in_memory: bool = False
    """Hold all images, reduced, in memory: fast for small sets and sizes."""
    workers: int = harmless(2)

    def augment(self) -> Augment:
        """The crops these settings ask for."""
        return Augment(self.network.size, self.zoom_min, self.zoom_max, self.flip)


def run(
    recipe: Recipe,
    out: Path,
    *,
    minutes: float | None = None,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Train, or go on training, and write `out`/stylegan2.pt: g, g_ema, d in the published layout.

    Raises:
        DataError: no usable images.
        CheckpointError: `recipe.start` doesn't fit the network.
        ConfigError: settings that don't fit together.
    """
    if dry_run:
        plan(recipe, recipe.augment(), recipe.network)
        if recipe.start is not None:
            look_for("start", partial(_networks, recipe), recipe.start)
        return out / NETWORKS
    images = open_images(recipe.images, recipe.augment(), recipe.run.seed, recipe.in_memory)
    logger.info("%d images in %s", len(images), recipe.images)
    torch.manual_seed(recipe.run.seed)
    program = StyleGanProgram(recipe, *_networks(recipe), images, open_world())
    return train_and_save(program, program.gan, recipe, out, minutes, progress)


class StyleGanProgram:
    """One GAN on one folder of images, as the training loop wants it."""

    def __init__(
        self,
        recipe: Recipe,
        g: Generator,
        d: Discriminator,
        images: ImageSet | MemorySet,
        world: World,
    ) -> None:
        self.recipe, self.images, self.device = recipe, images, world.device
        self.gan = Gan(g, d, recipe.gan, recipe.run.seed, world, open_critic(images, recipe.gan, world))
        self.stream = open_stream(images, recipe.gan.batch, recipe.workers, world)
        self.realism = open_realism(images, recipe.realism, world)

    def state(self) -> Mapping[str, Stateful]:
        """Networks, averages and optimisers."""
        return self.gan.state()

    def step(self, index: int) -> Mapping[str, Tensor | float]:
        """One step of D, one of G."""
        logged: dict[str, Tensor | float] = {}
        every = self.recipe.realism.every
        if self.realism is not None and index % every == 0:
            logged["fd_effnet"] = self.realism.distance(
                lambda first, count: sample(self.gan.ema, self.recipe.run.seed, first, count)
            )
        real = to_signed(to_float(self.stream.batch(index)["image"].to(self.device, non_blocking=True)))
        losses = self.gan.discriminator_step(real, index) | self.gan.generator_step(index)
        return logged | self.gan.joint(losses)

    def samples(self) -> Tensor:
        """A row of real images, then rows of the average generator's, untruncated."""
        real = torch.stack([to_float(self.images[i]) for i in range(8)])
        fake = sample(self.gan.ema, self.recipe.run.seed, 0, 40).cpu()
        return grid([real, *torch.split(fake, 8)])


def open_images(folder: Path, augment: Augment, seed: int, in_memory: bool) -> ImageSet | MemorySet:
    """The crops of a folder, decoded as they are needed or held in memory."""
    entries = scan(folder)
    return (MemorySet if in_memory else ImageSet)(entries, augment, seed)


def open_stream(images: ImageSet | MemorySet, batch: int, workers: int, world: World) -> Stream:
    """Batches {"image": uint8 [batch, 3, size, size]}, different ones for each process."""
    return Stream({"image": images}, batch, workers, rank=world.rank, world=world.size)


def open_critic(images: ImageSet | MemorySet, settings: GanSettings, world: World) -> FeatureCritic | None:
    """The second discriminator, scaled by crops that training doesn't draw."""
    if not settings.features:
        return None
    examples = torch.stack([to_float(images[_FAR + i]) for i in range(EXAMPLES)]).to(world.device)
    critic = FeatureCritic(load_efficientnet(world.device), examples, settings.features_side)
    return critic.to(world.device)


def open_realism(images: ImageSet | MemorySet, settings: RealismSettings, world: World) -> Realism | None:
    """FD-EffNet against crops of `images` that training doesn't draw; None where another process takes it."""
    if not settings.every or world.rank:
        return None
    numbers = torch.split(torch.arange(_FAR, _FAR + settings.images), CHUNK)
    real = (torch.stack([to_float(images[int(i)]) for i in some]).to(world.device) for some in numbers)
    return Realism(real, load_efficientnet(world.device), settings)


def plan(
    recipe: Any, augment: Augment, params: StyleGAN2Params, constraints: Constraints | None = None
) -> None:
    """What a dry run of a recipe with `images`, `gan`, `realism` and `run` tells."""
    images = look_for(
        "images", lambda: open_images(recipe.images, augment, recipe.run.seed, False), recipe.images
    )
    if images is not None:
        images[0]
        logger.info("%d images in %s", len(images), recipe.images)
    logger.info("%s", describe(params, recipe.gan, recipe.realism, recipe.run.steps, constraints))


def _networks(recipe: Recipe) -> tuple[Generator, Discriminator]:
    g, d = Generator(recipe.network), Discriminator(recipe.network)
    if recipe.start is None:
        return g, d
    state = read_checkpoint(recipe.start)
    load_state(g, state.get("g") or load_generator(recipe.start).state_dict(), str(recipe.start))
    return g, load_discriminator(recipe.start, recipe.network)
