"""`scenivid train stylegan`: a StyleGAN2 of the source domain (landscapes), or of any folder of images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from scenivid.frames import to_float, to_signed
from scenivid.nets.efficientnet import load_efficientnet
from scenivid.nets.stylegan2 import (
    Generator,
    StyleGAN2Params,
    load_generator,
    load_state,
    read_checkpoint,
)
from scenivid.nets.stylegan2_discriminator import Discriminator, load_discriminator
from scenivid.training.augment import Augment
from scenivid.training.data import ImageSet, Stream
from scenivid.training.gan import Gan, GanSettings, sample, save_networks
from scenivid.training.images import scan
from scenivid.training.log import grid
from scenivid.training.loop import Progress, Stateful, train
from scenivid.training.memory import MemorySet
from scenivid.training.realism import Realism, RealismSettings
from scenivid.training.recipe import RunSettings, harmless

logger = logging.getLogger(__name__)
NETWORKS = "stylegan2.pt"


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
    init: Path | None = None
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
        CheckpointError: `recipe.init` doesn't fit the network.
        ConfigError: settings that don't fit together.
    """
    torch.manual_seed(recipe.run.seed)
    networks = _networks(recipe)
    images = open_images(recipe.images, recipe.augment(), recipe.run.seed, recipe.in_memory)
    describe(recipe.network, recipe.gan, recipe.run.steps, *networks)
    logger.info("%d images in %s", len(images), recipe.images)
    if dry_run:
        images[0]
        return out / NETWORKS
    program = StyleGanProgram(recipe, *networks, images)
    train(program, recipe, out, recipe.run, minutes=minutes, progress=progress)
    save_networks(program.gan, out / NETWORKS)
    return out / NETWORKS


class StyleGanProgram:
    """One GAN on one folder of images, as the training loop wants it."""

    def __init__(self, recipe: Recipe, g: Generator, d: Discriminator, images: ImageSet | MemorySet) -> None:
        self.recipe = recipe
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.gan = Gan(g, d, recipe.gan, recipe.run.seed, self.device)
        self.images = images
        self.stream = Stream({"image": images}, recipe.gan.batch, recipe.workers)
        self.realism = open_realism(images, recipe.realism, self.device)

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
        real = to_signed(to_float(self.stream.batch(index)["image"].to(self.device)))
        logged |= self.gan.discriminator_step(real, index)
        logged |= self.gan.generator_step(index)
        return logged

    def samples(self) -> Tensor:
        """A row of real images, then rows of the average generator's, untruncated."""
        real = torch.stack([to_float(self.images[i]) for i in range(8)])
        fake = sample(self.gan.ema, self.recipe.run.seed, 0, 40).cpu()
        return grid([real, *torch.split(fake, 8)])


def open_images(folder: Path, augment: Augment, seed: int, in_memory: bool) -> ImageSet | MemorySet:
    """The crops of a folder, decoded as they are needed or held in memory."""
    entries = scan(folder)
    return (MemorySet if in_memory else ImageSet)(entries, augment, seed)


def open_realism(
    images: ImageSet | MemorySet, settings: RealismSettings, device: torch.device
) -> Realism | None:
    """FD-EffNet against crops of `images` that training doesn't draw, or None where it is switched off."""
    if not settings.every:
        return None
    far = 10**9  # item numbers that no training reaches
    real = torch.stack([to_float(images[far + i]) for i in range(settings.images)])
    return Realism(real.to(device), load_efficientnet(device), settings)


def describe(params: StyleGAN2Params, gan: GanSettings, steps: int, g: Generator, d: Discriminator) -> None:
    """Log sizes, parameters, steps and a rough estimate of the memory a step takes."""
    weights = [sum(p.numel() for p in net.parameters()) for net in (g, d)]
    # float32 weights, gradients, two Adam moments; the average; about 14 maps a resolution for G and D each
    maps = sum(params.channels(side) * side**2 for side in params.resolutions)
    held = 4 * (4 * sum(weights) + weights[0] + 2 * 14 * maps * gan.batch * (0.5 if gan.bf16 else 1))
    logger.info(
        "StyleGAN2 %d px: generator %s parameters, discriminator %s, %d steps of %d images, about %.1f GB",
        params.size, f"{weights[0]:,}", f"{weights[1]:,}", steps, gan.batch, held / 1e9,
    )  # fmt: skip


def _networks(recipe: Recipe) -> tuple[Generator, Discriminator]:
    g, d = Generator(recipe.network), Discriminator(recipe.network)
    if recipe.init is None:
        return g, d
    state = read_checkpoint(recipe.init)
    load_state(g, state.get("g") or load_generator(recipe.init).state_dict(), str(recipe.init))
    return g, load_discriminator(recipe.init, recipe.network)
