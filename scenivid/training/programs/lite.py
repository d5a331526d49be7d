"""`scenivid train lite`: a lite network learns a look from photographs painted by the procedural painter.

Supervised on the painted pairs, flat colours and lines; a temporal loss asks that what moved and got noisy is
painted as the moved painting; EfficientNet-Lite0 features ask for the same content. The unsupervised branch,
all of it judging the inked result, is a discriminator that compares it with real, unpaired paintings, and
patch-wise contrast through the network's own encoder. A network with a dial also learns what the painter does
at lower strengths.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import torch

from scenivid.errors import ConfigError
from scenivid.machine.devices import resolve_device
from scenivid.nets.checkpoint import save_checkpoint
from scenivid.training.lite.files import card
from scenivid.training.lite.plan import plan
from scenivid.training.lite.program import LiteProgram
from scenivid.training.lite.recipe import Recipe
from scenivid.training.painter.pairs import PairStore, paint_all
from scenivid.training.painter.teacher import Teacher
from scenivid.training.run.loop import Progress, train
from scenivid.training.run.world import open_world

logger = logging.getLogger(__name__)


def open_stores(recipe: Recipe, out: Path) -> list[PairStore]:
    """The painted pairs of a recipe: of full strength, then of each of `recipe.strengths`.

    Raises:
        DataError: no usable photographs.
        ConfigError: no such look.
    """
    cache = recipe.cache or out / "pairs"
    teacher = None if recipe.teacher is None else Teacher(recipe.teacher)
    photos, seed, device = recipe.photos, recipe.run.seed, resolve_device("auto")
    # The same eighth of the views for every lower strength: beside each other they show the dial.
    return [
        PairStore(photos, recipe.style, recipe.pairs, seed, cache, strength, every, teacher, device)
        for strength, every in ((1.0, 1), *((strength, 8) for strength in recipe.strengths))
    ]


def run(
    recipe: Recipe,
    out: Path,
    *,
    minutes: float | None = None,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Paint the pairs, train or go on training, and write `out`/STYLE.safetensors (fp16, EMA weights).

    Raises:
        DataError: no usable photographs.
        ConfigError: no such style, or settings that don't fit each other.
        CheckpointError: `recipe.start` doesn't fit the network.
    """
    weights = out / f"{recipe.name or recipe.style}.safetensors"
    if dry_run:
        plan(recipe)
        return weights
    world, began = open_world(), time.monotonic()
    if world.size > 1 and recipe.begin_with is not None:
        raise ConfigError("begin_with is for one process: several could know of different pairs")
    stores = open_stores(recipe, out)
    share = 1.0 if recipe.begin_with is None else recipe.begin_with / len(stores[0].jobs)
    paint_all(
        stores, share, (world.local_rank, world.local_size)
    )  # each machine may have a folder of its own
    world.wait()
    program = LiteProgram(recipe, stores, world)
    parameters = sum(parameter.numel() for parameter in program.net.parameters())
    logger.info("lite: %s parameters, %d steps", f"{parameters:,}", recipe.run.steps)
    left = None if minutes is None else max(minutes - (time.monotonic() - began) / 60, 0.0)  # painting counts
    try:
        outcome = train(program, recipe, out, recipe.run, minutes=left, progress=progress, world=world)
    finally:
        program.close()
    if world.rank == 0:
        save_checkpoint(weights, program.ema, card(recipe, outcome.step), torch.float16)
    return weights
