"""`scenivid train translator`: photographs to anime scenes, semi-supervised (Scenimefy, ICCV 2023).

On one device or many (`accelerate launch -m scenivid train translator …`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

from scenivid.nets.checkpoint import UNKNOWN_LICENCE, ModelCard, load_checkpoint, save_checkpoint
from scenivid.training.data.samples import ImageSet, PairSet
from scenivid.training.planning.missing import Needed, ask_for, look_for, name_missing
from scenivid.training.run.loop import Progress, train
from scenivid.training.run.watchdog import translator_signs
from scenivid.training.translator.plan import describe
from scenivid.training.translator.program import TranslatorProgram
from scenivid.training.translator.recipe import Recipe, open_sets, set_openers
from scenivid.weights.catalogue import VGG16, VGG19

logger = logging.getLogger(__name__)
STYLE = "style.safetensors"


def run(
    recipe: Recipe,
    out: Path,
    *,
    minutes: float | None = None,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Train, or go on training, and write `out`/style.safetensors: a style for `scenivid stylize`.

    Raises:
        DataError: a folder is missing or holds nothing usable.
        CheckpointError: `recipe.start` or a perceptual network can't be loaded.
        ConfigError: see `loop.train`.
        DependencyError: accelerate isn't installed.
    """
    style = out / STYLE
    if dry_run:
        folders = {"photo": recipe.photos, "painting": recipe.paintings, "pair": recipe.pairs}
        for name, opened in set_openers(recipe).items():
            items = look_for(f"{name}s", opened, folders[name] or Path())
            if items is not None:
                items[0]
                logger.info("%s: %d", name, len(items))
        if recipe.start is not None:
            look_for("start", partial(load_checkpoint, recipe.start), recipe.start)
        name_missing(weights_of(recipe))
        logger.info("%s", describe(recipe))
        return style
    ask_for(weights_of(recipe))
    sets = open_sets(recipe)
    with TranslatorProgram(recipe, sets) as program:
        train(
            program,
            recipe,
            out,
            recipe.run,
            minutes=minutes,
            progress=progress,
            world=program.world,
            signs=translator_signs(recipe.contrast.places),
            export=lambda step: save_checkpoint(style, program.kept, card(recipe, step, sources(sets))),
        )
    return style


def weights_of(recipe: Recipe) -> list[Needed]:
    """Weights of others that the perceptual loss needs."""
    published = {"vgg19": VGG19, "lpips": VGG16}.get(recipe.perceptual)
    if published is None or not recipe.weights.perceptual:
        return []
    return [(published, recipe.perceptual_weights)]


def card(recipe: Recipe, steps: int, sources: tuple[str, ...] = ()) -> ModelCard:
    """What the style file says about itself.

    Args:
        sources: the folders trained on, for recipes that don't name their data.
    """
    params = recipe.lite if recipe.generator == "lite" else recipe.translator
    return ModelCard(
        name=recipe.name,
        architecture=recipe.generator,
        params=asdict(params),
        description="Photographs to painted scenes, trained semi-supervised as in Scenimefy (ICCV 2023).",
        licence=recipe.licence or UNKNOWN_LICENCE,
        commercial_use=recipe.commercial_use,
        data=recipe.data or sources,
        recipe=f"scenivid train translator, {steps} of {recipe.run.steps} steps, "
        f"{recipe.augment.size} px, seed {recipe.run.seed}",
    )


def sources(sets: Mapping[str, ImageSet | PairSet]) -> tuple[str, ...]:
    """Which folders a run learnt from, with counts, for a card whose recipe doesn't name its data."""
    return tuple(f"{len(items):,} {name}s, licence not given" for name, items in sets.items())
