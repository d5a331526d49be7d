"""`scenivid train chain`: the paper's stages one after the other, and a page about what came out.

OUT/stylegan  OUT/finetune  OUT/pairs  OUT/translator  OUT/lite     runs of the programs, each with its log
OUT/chain.json                                                      which are done, and their times
OUT/NAME.safetensors                                                the lite network, a style for stylize
OUT/chain.html                                                      the page
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from scenivid.machine.aside import whole
from scenivid.training.chain.diary import FILE, Diary
from scenivid.training.chain.finish import finish
from scenivid.training.chain.recipe import Recipe, preset, stage_recipes
from scenivid.training.planning.missing import Needed, ask_for, look_for
from scenivid.training.run.loop import Progress
from scenivid.training.run.world import open_world

__all__ = ["BEGUN", "UNIT", "Recipe", "preset", "run"]
logger = logging.getLogger(__name__)
BEGUN = FILE
"""The file by which a folder is known to hold a run."""
UNIT = "per mille"


def run(
    recipe: Recipe,
    out: Path,
    *,
    minutes: float | None = None,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Run the chain, or go on with it: finished stages are passed over, an interrupted one is resumed.

    A stage is finished when its steps are done or its share of `minutes` is used up.

    Returns:
        The page.

    Raises:
        ScenividError: whatever a stage raises.
    """
    recipes = stage_recipes(recipe, out)
    if dry_run:
        _plan(recipe, recipes, out)
        return out / "chain.html"
    world = open_world()
    if world.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
    world.wait()
    diary = Diary(out, recipe.stages, writes=world.rank == 0)
    ask_for(weights_of({name: held for name, held in recipes.items() if not diary.finished(name)}))
    shares = asdict(recipe.shares)
    for number, (stage, held) in enumerate(recipes.items()):
        if diary.finished(stage):
            logger.info("stage %d of %d: %s is done", number + 1, len(recipes), stage)
            continue
        left = None if minutes is None else diary.left(stage, shares, minutes)
        told = f", at most {left:.1f} minutes" if left is not None else ""
        logger.info("stage %d of %d: %s%s", number + 1, len(recipes), stage, told)
        diary.begin()
        try:
            _program(stage).run(
                held,
                out / stage,
                minutes=left,
                progress=_part(stage, number, len(recipes), diary, minutes, progress),
            )
        except BaseException:
            diary.note(stage)
            raise
        diary.note(stage, finished=True)
        world.wait()  # what one process has written is read by all
    if world.rank == 0:
        style = out / f"{recipe.name}.safetensors"
        with whole(style) as part:
            shutil.copyfile(out / "lite" / style.name, part)
        finish(recipe, out, style, {name: entry.seconds for name, entry in diary.entries.items()})
    world.wait()
    return out / "chain.html"


def weights_of(recipes: Mapping[str, Any]) -> list[Needed]:
    """Weights of others that any of the stages needs: they are asked for before the first begins."""
    needed: list[Needed] = []
    for stage, held in recipes.items():
        found = getattr(_program(stage), "weights_of", None)
        needed += [] if found is None else found(held)
    return needed


def _program(stage: str) -> Any:
    return import_module(f"scenivid.training.programs.{stage}")


def _plan(recipe: Recipe, recipes: dict[str, Any], out: Path) -> None:
    """What each stage says of its own; what earlier ones are still to make is named as missing."""
    for stage, held in recipes.items():
        logger.info("%s:", stage)
        _program(stage).run(held, out / stage, dry_run=True)
    if recipe.clip is not None:
        look_for("clip", lambda: True, recipe.clip)


def _part(
    stage: str,
    number: int,
    count: int,
    diary: Diary,
    minutes: float | None,
    progress: Callable[[Progress], None] | None,
) -> Callable[[Progress], None]:
    """A stage's progress as a part of the whole chain's."""

    def tell(now: Progress) -> None:
        diary.note(stage, now=False)
        if progress is not None:
            done = round(1000 * (number + now.step / now.steps) / count)
            left = now.eta_seconds if minutes is None else max(60 * minutes - diary.spent(), 0.0)
            progress(Progress(done, 1000, now.losses, now.rate, left))

    return tell
